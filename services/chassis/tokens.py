"""Bearer tokens: JSON Web Tokens signed with EdDSA by keys that the JWKS file names.

Claims: `iss`, `aud`, `sub`, `exp`, `nbf` are required; `roles` is a list of names of furlong.common.v1.Role (names
that this version does not know are passed over), `accounts` a list of UUIDs or "*", `terminal` the name of the terminal
that the token is bound to, if it is bound to one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jwt
import structlog
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Role

from services.chassis.clock import Clock
from services.chassis.principal import Principal
from services.chassis.refusal import Refusal
from services.chassis.validation import is_terminal

ALGORITHM: Final = "EdDSA"
"""The only one. A token does not choose: "none" and shared secrets are refused whatever its header says."""

LEEWAY_S: Final = 5
"""How far the clocks of two machines may be apart."""

VERIFIED_TOKENS_MAX: Final = 4_096
"""Tokens whose signature is not computed again. Metadata is at most 8 KiB, so this is at most 32 MiB."""

READ_AGAIN_S: Final = 10.0
"""How old what is known of the JWKS file may be: a key that was put in or taken out counts from then on."""

_SCHEME: Final = "bearer "
_ROLES: Final[Mapping[str, Role.ValueType]] = {
    name: role for name, role in Role.items() if role not in (Role.ROLE_UNSPECIFIED, Role.ANYONE)
}
_WHY: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is from another issuer",
}


_log = structlog.get_logger(__name__)


class KeysUnusable(Exception):
    """The JWKS file is missing, or holds no Ed25519 key that can be used."""


class TokenVerifier:
    """Verifies tokens against one JWKS file, which may change meanwhile: keys are rotated without a restart.

    A token that was verified is remembered until it expires or the file changes, so that a caller pays for the
    signature once. A file that has become unusable changes nothing, but for an error in the log.
    """

    def __init__(self, *, jwks_file: Path, issuer: str, audience: str, clock: Clock) -> None:
        self._jwks_file = jwks_file
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._verified: dict[str, tuple[Principal, int]] = {}
        self._jwks = _read(jwks_file)
        self._keys = _keys_of(self._jwks, jwks_file)
        self._read_at_s = clock.monotonic_s()

    def verify(self, authorization: str) -> Principal:
        """Read an `authorization` header; raise Refusal(TOKEN_INVALID) for one that cannot be trusted."""
        if self._clock.monotonic_s() - self._read_at_s >= READ_AGAIN_S:
            self._read_again()
        known = self._verified.get(authorization)
        if known is None:
            known = self._verify(authorization)
            if len(self._verified) >= VERIFIED_TOKENS_MAX:
                del self._verified[next(iter(self._verified))]
            self._verified[authorization] = known
        principal, expires_at_ms = known
        if self._clock.now_ms() >= expires_at_ms:
            del self._verified[authorization]
            raise Refusal(Reason.TOKEN_INVALID, _WHY[jwt.ExpiredSignatureError])
        return principal

    def _verify(self, authorization: str) -> tuple[Principal, int]:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise Refusal(Reason.TOKEN_INVALID, "the authorization is not a bearer token")
        token = authorization[len(_SCHEME) :].strip()
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "nbf", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, RecursionError) as error:  # JSON nested too deeply ends in RecursionError
            why = _WHY.get(type(error), "the token cannot be trusted")
            raise Refusal(Reason.TOKEN_INVALID, why) from error
        return _principal(claims), (int(claims["exp"]) + LEEWAY_S) * 1_000

    def _read_again(self) -> None:
        self._read_at_s = self._clock.monotonic_s()
        try:
            jwks = _read(self._jwks_file)
            if jwks == self._jwks:
                return
            self._keys = _keys_of(jwks, self._jwks_file)
        except KeysUnusable:
            _log.exception("keys not read, the known ones still count", file=str(self._jwks_file))
            return
        self._jwks = jwks
        self._verified.clear()
        _log.info("keys read again", file=str(self._jwks_file), keys=sorted(map(str, self._keys)))

    def _key_of(self, token: str) -> jwt.PyJWK:
        key_id = jwt.get_unverified_header(token).get("kid")
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if key_id not in self._keys:
            raise jwt.InvalidKeyError(f"no key is called {key_id!r}")
        return self._keys[key_id]


def _read(jwks_file: Path) -> str:
    try:
        return jwks_file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"AUTH_JWKS_FILE {jwks_file}: {error}") from error


def _keys_of(jwks: str, jwks_file: Path) -> Mapping[str | None, jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_json(jwks).keys
    except (ValueError, jwt.PyJWTError) as error:
        raise KeysUnusable(f"AUTH_JWKS_FILE {jwks_file}: {error}") from error
    for key in keys:
        if key.algorithm_name != ALGORITHM:
            raise KeysUnusable(f"AUTH_JWKS_FILE {jwks_file}: key {key.key_id!r} is not for {ALGORITHM}")
    return {key.key_id: key for key in keys}


def _principal(claims: Mapping[str, Any]) -> Principal:
    return Principal(
        subject=claims["sub"],
        roles=frozenset(_ROLES[name] for name in _names(claims, "roles") if name in _ROLES),
        accounts=frozenset(_names(claims, "accounts")),
        terminal=_terminal(claims),
    )


def _terminal(claims: Mapping[str, Any]) -> str:
    terminal = claims.get("terminal", "")
    if not isinstance(terminal, str) or (terminal and not is_terminal(terminal)):
        raise Refusal(Reason.TOKEN_INVALID, "the token's terminal is not the name of one")
    return terminal


def _names(claims: Mapping[str, Any], claim: str) -> list[str]:
    names = claims.get(claim, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal(Reason.TOKEN_INVALID, f"the token's {claim} are not a list of names")
    return names
