"""A token is trusted when one of our keys signed it, for us, and for now; nothing in it chooses how it is checked."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Role
from jwt.algorithms import ECAlgorithm

from services.chassis import tokens
from services.chassis.clock import Clock, SystemClock
from services.chassis.refusal import Refusal
from services.chassis.tokens import LEEWAY_S, READ_AGAIN_S, KeysUnusable, TokenVerifier
from tests.clocks import ManualClock
from tests.tokens import SigningKey

KEY = SigningKey.make()
FUTURE_S = 4_000_000_000


def make_verifier(tmp_path: Path, clock: Clock | None = None) -> TokenVerifier:
    jwks_file = KEY.write_jwks(tmp_path / "jwks.json")
    return TokenVerifier(jwks_file=jwks_file, issuer="furlong", audience="furlong", clock=clock or SystemClock())


def encode(part: dict[str, Any] | str) -> str:
    text = part if isinstance(part, str) else json.dumps(part)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unsigned(header: dict[str, Any] | str) -> str:
    claims = jwt.decode(KEY.token(roles=["OPERATOR"]), options={"verify_signature": False})
    return f"{encode(header)}.{encode(claims)}."


def signed_with_our_public_key_as_a_shared_secret() -> str:
    secret = KEY.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    claims = jwt.decode(KEY.token(roles=["OPERATOR"]), options={"verify_signature": False})
    return jwt.encode(claims, secret.ljust(32, b"\0"), algorithm="HS256", headers={"kid": KEY.key_id})


def with_another_payload(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return ".".join((header, encode(claims | {"roles": ["OPERATOR"]}), signature))


def with_another_signature(token: str) -> str:
    return token[:-10] + ("A" * 10 if not token.endswith("A" * 10) else "B" * 10)


NOT_TRUSTED = [
    ("the signature is of another key", SigningKey.make("test-key").token(), "cannot be trusted"),
    ("the key id is unknown", SigningKey.make("stranger").token(), "cannot be trusted"),
    ("the payload was changed", with_another_payload(KEY.token()), "cannot be trusted"),
    ("the signature was changed", with_another_signature(KEY.token()), "cannot be trusted"),
    ("alg is none", unsigned({"alg": "none", "typ": "JWT", "kid": KEY.key_id}), "cannot be trusted"),
    ("alg is None, with a capital", unsigned({"alg": "None", "kid": KEY.key_id}), "cannot be trusted"),
    ("alg is HS256 over our public key", signed_with_our_public_key_as_a_shared_secret(), "cannot be trusted"),
    ("alg is RS256", unsigned({"alg": "RS256", "kid": KEY.key_id}) + "AAAA", "cannot be trusted"),
    ("the key comes along in the header", unsigned({"alg": "EdDSA", "jwk": KEY.jwk()}), "cannot be trusted"),
    ("it has expired", KEY.token(ttl_s=-60), "has expired"),
    ("it is not valid yet", KEY.token(nbf=FUTURE_S, exp=FUTURE_S + 1), "is not valid yet"),
    ("it is for another audience", KEY.token(aud="somebody"), "another audience"),
    ("it is from another issuer", KEY.token(iss="somebody"), "another issuer"),
    ("it never expires", KEY.token(exp=None), "cannot be trusted"),
    ("it has no beginning", KEY.token(nbf=None), "cannot be trusted"),
    ("it has no subject", KEY.token(sub=None), "cannot be trusted"),
    ("its subject is a number", KEY.token(sub=7), "cannot be trusted"),
    ("it has no audience", KEY.token(aud=None), "cannot be trusted"),
    ("it has no issuer", KEY.token(iss=None), "cannot be trusted"),
    ("its expiry is text", KEY.token(exp="never"), "cannot be trusted"),
    ("its accounts are numbers", KEY.token(accounts=[7]), "accounts are not a list"),
    ("its terminal is a number", KEY.token(terminal=3), "terminal is not the name"),
    ("its terminal has a blank", KEY.token(terminal="till 3"), "terminal is not the name"),
    ("it is no token", "hello", "cannot be trusted"),
    ("it is empty", "", "cannot be trusted"),
    ("it has five parts", "a.b.c.d.e", "cannot be trusted"),
    ("its header nests too deeply", f"{encode('[' * 4_000)}.e30.", "cannot be trusted"),
    ("its header is a list", f"{encode('[]')}.e30.", "cannot be trusted"),
]


@pytest.mark.parametrize(("why", "token", "told"), NOT_TRUSTED, ids=[why for why, _, _ in NOT_TRUSTED])
def test_a_token_is_not_trusted_when(tmp_path: Path, why: str, token: str, told: str) -> None:
    with pytest.raises(Refusal, match=told) as caught:
        make_verifier(tmp_path).verify(f"Bearer {token}")
    assert caught.value.reason == Reason.TOKEN_INVALID, why


def test_a_token_tells_who_calls(tmp_path: Path) -> None:
    token = KEY.token(subject="till-4", roles=["CASHIER", "PLAYER"], accounts=["a", "b"])
    principal = make_verifier(tmp_path).verify(f"Bearer {token}")
    assert principal.subject == "till-4"
    assert principal.roles == {Role.CASHIER, Role.PLAYER}
    assert principal.accounts == {"a", "b"}


def test_roles_that_this_version_does_not_know_are_passed_over(tmp_path: Path) -> None:
    token = KEY.token(roles=["STEWARD", "AUDITOR", "ROLE_UNSPECIFIED", "ANYONE"])
    assert make_verifier(tmp_path).verify(f"Bearer {token}").roles == {Role.AUDITOR}


def test_roles_that_are_no_list_are_refused(tmp_path: Path) -> None:
    claims = jwt.decode(KEY.token(), options={"verify_signature": False})
    token = jwt.encode(claims | {"roles": "OPERATOR"}, KEY.private, algorithm="EdDSA", headers={"kid": KEY.key_id})
    with pytest.raises(Refusal, match="roles are not a list"):
        make_verifier(tmp_path).verify(f"Bearer {token}")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_either_case(tmp_path: Path, scheme: str) -> None:
    assert make_verifier(tmp_path).verify(f"{scheme} {KEY.token(subject='me')}").subject == "me"


@pytest.mark.parametrize("authorization", ["Basic dTpw", "Bearer", KEY.token(), ""])
def test_an_authorization_that_is_no_bearer_token_is_refused(tmp_path: Path, authorization: str) -> None:
    with pytest.raises(Refusal, match="is not a bearer token"):
        make_verifier(tmp_path).verify(authorization)


def test_a_token_without_key_id_is_checked_against_the_only_key(tmp_path: Path) -> None:
    claims = jwt.decode(KEY.token(subject="me"), options={"verify_signature": False})
    token = jwt.encode(claims, KEY.private, algorithm="EdDSA")
    assert make_verifier(tmp_path).verify(f"Bearer {token}").subject == "me"


def test_a_token_without_key_id_is_refused_where_there_are_two_keys(tmp_path: Path) -> None:
    jwks_file = tmp_path / "two.json"
    jwks_file.write_text(json.dumps({"keys": [KEY.jwk(), SigningKey.make("other").jwk()]}))
    verifier = TokenVerifier(jwks_file=jwks_file, issuer="furlong", audience="furlong", clock=SystemClock())
    assert verifier.verify(f"Bearer {KEY.token(subject='me')}").subject == "me"
    claims = jwt.decode(KEY.token(), options={"verify_signature": False})
    with pytest.raises(Refusal):
        verifier.verify(f"Bearer {jwt.encode(claims, KEY.private, algorithm='EdDSA')}")


def test_a_remembered_token_still_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    verifier = make_verifier(tmp_path, clock)
    expires_at_s = FUTURE_S
    token = KEY.token(exp=expires_at_s)
    verifier.verify(f"Bearer {token}")
    clock.advance_ms((expires_at_s + LEEWAY_S) * 1_000 - 1 - clock.now_ms())
    verifier.verify(f"Bearer {token}")
    clock.advance_ms(1)
    with pytest.raises(Refusal, match="has expired"):
        verifier.verify(f"Bearer {token}")


def test_a_signature_is_computed_once_per_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = make_verifier(tmp_path)
    authorization = f"Bearer {KEY.token()}"
    first = verifier.verify(authorization)
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("the signature was computed again"))
    assert verifier.verify(authorization) is first


def test_only_so_many_tokens_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "VERIFIED_TOKENS_MAX", 3)
    verifier = make_verifier(tmp_path)
    for subject in "abcde":
        assert verifier.verify(f"Bearer {KEY.token(subject=subject)}").subject == subject
    assert len(verifier._verified) == 3


def trusts(verifier: TokenVerifier, key: SigningKey) -> bool:
    """Whether a token of the key is good now."""
    try:
        verifier.verify(f"Bearer {key.token(exp=FUTURE_S)}")
    except Refusal:
        return False
    return True


def test_a_key_is_rotated_without_a_restart(tmp_path: Path) -> None:
    clock, fresh = ManualClock(), SigningKey.make("fresh")
    verifier = make_verifier(tmp_path, clock)
    old_token = f"Bearer {KEY.token(exp=FUTURE_S)}"
    verifier.verify(old_token)
    jwks_file = tmp_path / "jwks.json"

    def publish(*keys: SigningKey) -> None:
        jwks_file.write_text(json.dumps({"keys": [key.jwk() for key in keys]}))
        clock.advance_ms(int(READ_AGAIN_S * 1_000))

    assert not trusts(verifier, fresh)
    publish(KEY, fresh)
    assert trusts(verifier, fresh)
    verifier.verify(old_token)
    publish(fresh)
    with pytest.raises(Refusal, match="cannot be trusted"):
        verifier.verify(old_token)  # what was remembered of it does not outlive its key
    assert trusts(verifier, fresh)


def test_the_key_file_is_looked_at_again_after_some_seconds_and_not_at_each_call(tmp_path: Path) -> None:
    clock, fresh = ManualClock(), SigningKey.make("fresh")
    verifier = make_verifier(tmp_path, clock)
    fresh.write_jwks(tmp_path / "jwks.json")
    clock.advance_ms(int(READ_AGAIN_S * 1_000) - 1)

    assert not trusts(verifier, fresh)
    clock.advance_ms(1)
    assert trusts(verifier, fresh)


@pytest.mark.parametrize("text", ["", "{", '{"keys": []}', None])
def test_a_key_file_that_becomes_unusable_leaves_the_known_keys_in_force(tmp_path: Path, text: str | None) -> None:
    clock, fresh = ManualClock(), SigningKey.make("fresh")
    verifier = make_verifier(tmp_path, clock)
    jwks_file = tmp_path / "jwks.json"
    if text is None:
        jwks_file.unlink()
    else:
        jwks_file.write_text(text)
    clock.advance_ms(int(READ_AGAIN_S * 1_000))

    assert trusts(verifier, KEY)
    fresh.write_jwks(jwks_file)
    clock.advance_ms(int(READ_AGAIN_S * 1_000))
    assert (trusts(verifier, KEY), trusts(verifier, fresh)) == (False, True)


UNUSABLE_KEYS: list[tuple[str, str]] = [
    ("no JSON", "{"),
    ("no keys", '{"keys": []}'),
    ("a shared secret", json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "s"}]})),
    (
        "another kind of key",
        json.dumps({"keys": [json.loads(ECAlgorithm.to_jwk(generate_private_key(SECP256R1()).public_key()))]}),
    ),
]


@pytest.mark.parametrize(("why", "text"), UNUSABLE_KEYS, ids=[why for why, _ in UNUSABLE_KEYS])
def test_a_key_file_is_unusable_when_it_holds(tmp_path: Path, why: str, text: str) -> None:
    jwks_file = tmp_path / "jwks.json"
    jwks_file.write_text(text)
    with pytest.raises(KeysUnusable, match=r"AUTH_JWKS_FILE .*jwks\.json"):
        TokenVerifier(jwks_file=jwks_file, issuer="furlong", audience="furlong", clock=SystemClock())


def test_a_key_file_that_is_missing_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match="No such file"):
        TokenVerifier(jwks_file=tmp_path / "none", issuer="furlong", audience="furlong", clock=SystemClock())


def test_a_token_may_be_bound_to_a_terminal(tmp_path: Path) -> None:
    verifier = make_verifier(tmp_path)

    assert verifier.verify(f"Bearer {KEY.token(terminal='till-3')}").terminal == "till-3"
    assert verifier.verify(f"Bearer {KEY.token()}").terminal == ""
