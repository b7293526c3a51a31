"""Keys and tokens of a local stack."""

import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest

from deploy.local.keys import DEVELOPMENT_TOKEN_S, KeyRing


def claims_of(token: str, keys: KeyRing) -> dict[str, Any]:
    key_id = jwt.get_unverified_header(token)["kid"]
    public = {key.key_id: key for key in jwt.PyJWKSet.from_json(keys.jwks_file.read_text()).keys}
    claims: dict[str, Any] = jwt.decode(
        token, public[key_id].key, algorithms=["EdDSA"], audience="furlong", issuer="furlong"
    )
    return claims


def test_a_token_verifies_against_the_public_keys(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path / "keys")

    claims = claims_of(keys.token(subject="ann", roles=["PLAYER"], accounts=["a-1"]), keys)

    assert (claims["sub"], claims["roles"], claims["accounts"]) == ("ann", ["PLAYER"], ["a-1"])


def test_a_development_token_holds_every_role_for_every_account_and_thirty_days(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path / "keys")

    claims = claims_of(keys.token(), keys)

    assert claims["roles"] == ["PLAYER", "CASHIER", "OPERATOR", "AUDITOR"]
    assert claims["accounts"] == ["*"]
    assert claims["exp"] - claims["nbf"] == pytest.approx(DEVELOPMENT_TOKEN_S, abs=120)


def test_a_service_holds_the_role_of_a_service_and_no_account(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path / "keys")

    claims = claims_of(keys.service_token(subject="game"), keys)

    assert (claims["sub"], claims["roles"], claims["accounts"]) == ("game", ["SERVICE"], [])


def test_keys_outlive_a_restart(tmp_path: Path) -> None:
    first = KeyRing(tmp_path / "keys")
    token, seed_key = first.token(), first.seed_key_file.read_text()

    again = KeyRing(tmp_path / "keys")

    assert claims_of(token, again)["sub"] == "developer"
    assert again.seed_key_file.read_text() == seed_key


def test_two_stacks_have_keys_of_their_own(tmp_path: Path) -> None:
    one, other = KeyRing(tmp_path / "one"), KeyRing(tmp_path / "other")

    assert one.seed_key_file.read_text() != other.seed_key_file.read_text()
    with pytest.raises(KeyError):
        claims_of(one.token(), other)


def test_nobody_else_may_read_the_keys(tmp_path: Path) -> None:
    keys = KeyRing(tmp_path / "keys")

    for file in (keys.private_key_file, keys.seed_key_file, keys.jwks_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_the_private_half_is_not_among_the_public_keys(tmp_path: Path) -> None:
    (public,) = json.loads(KeyRing(tmp_path / "keys").jwks_file.read_text())["keys"]

    assert "d" not in public
    assert (public["kty"], public["crv"], public["alg"]) == ("OKP", "Ed25519", "EdDSA")


def test_the_seed_key_is_thirty_two_bytes_in_hex(tmp_path: Path) -> None:
    assert len(bytes.fromhex(KeyRing(tmp_path / "keys").seed_key_file.read_text().strip())) == 32
