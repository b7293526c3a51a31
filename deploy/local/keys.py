"""The keys and tokens of a local stack, made at its first start and kept in a private folder.

jwt-private.pem   Ed25519: signs the development's tokens
jwks.json         its public half, by which the services verify them
seed.key          32 random bytes in hex: seals the seeds of draws that are yet to come
"""

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "furlong"
AUDIENCE = "furlong"
ANY_ACCOUNT = "*"
ALL_ROLES = ("PLAYER", "CASHIER", "OPERATOR", "AUDITOR")
SERVICE_ROLES = ("SERVICE",)
DAY_S = 24 * 3_600
DEVELOPMENT_TOKEN_S = 30 * DAY_S
SERVICE_TOKEN_S = 365 * DAY_S
CLOCK_SKEW_S = 60
SEED_KEY_BYTES = 32
PASSWORD_BYTES = 24


class KeyRing:
    """The keys in one folder; those that are missing are made. Every file is readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.private_key_file = folder / "jwt-private.pem"
        self.jwks_file = folder / "jwks.json"
        self.seed_key_file = folder / "seed.key"
        if not self.private_key_file.exists():
            write_private(self.private_key_file, _new_private_key())
        if not self.seed_key_file.exists():
            write_private(self.seed_key_file, secrets.token_hex(SEED_KEY_BYTES) + "\n")
        self._key = _load(self.private_key_file)
        write_private(self.jwks_file, json.dumps({"keys": [self._public_jwk()]}) + "\n")

    def token(
        self,
        *,
        subject: str = "developer",
        roles: Sequence[str] = ALL_ROLES,
        accounts: Sequence[str] = (ANY_ACCOUNT,),
        lifetime_s: int = DEVELOPMENT_TOKEN_S,
        terminal: str = "",
    ) -> str:
        """A signed token for `subject`, good for `lifetime_s` seconds from now, bound to `terminal` if one is named."""
        now_s = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "nbf": now_s - CLOCK_SKEW_S,
            "exp": now_s + lifetime_s,
            "roles": list(roles),
            "accounts": list(accounts),
        } | ({"terminal": terminal} if terminal else {})
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._key_id()})

    def service_token(self, *, subject: str) -> str:
        """A token by which one service of the stack calls another."""
        return self.token(subject=subject, roles=SERVICE_ROLES, accounts=(), lifetime_s=SERVICE_TOKEN_S)

    def _public_jwk(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self._key_id(), "x": self._x()}

    def _key_id(self) -> str:
        """The key's thumbprint, RFC 7638: the same key has the same id everywhere."""
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": self._x()}, separators=(",", ":"))
        return _base64url(hashlib.sha256(members.encode()).digest())

    def _x(self) -> str:
        return _base64url(self._key.public_key().public_bytes_raw())


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)


def kept_password(file: Path) -> str:
    """The password in a file, made at random where there is none. It needs no quotes in any address."""
    if not file.exists():
        write_private(file, secrets.token_hex(PASSWORD_BYTES))
    return file.read_text().strip()


def _new_private_key() -> str:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def _load(file: Path) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey), f"{file} holds another kind of key"
    return key


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
