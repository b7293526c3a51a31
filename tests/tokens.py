"""Tokens for tests: a key of our own making, its public half as a JWKS file, and tokens signed with it."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

ISSUER = "furlong"
AUDIENCE = "furlong"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An Ed25519 key and the id that tokens call it by."""

    key_id: str
    private: Ed25519PrivateKey

    @classmethod
    def make(cls, key_id: str = "test-key") -> "SigningKey":
        """Make a new key."""
        return cls(key_id=key_id, private=Ed25519PrivateKey.generate())

    def jwk(self) -> dict[str, Any]:
        """Show the public half as a JSON Web Key."""
        public: dict[str, Any] = json.loads(OKPAlgorithm.to_jwk(self.private.public_key()))
        return {**public, "kid": self.key_id, "alg": "EdDSA", "use": "sig"}

    def write_jwks(self, path: Path) -> Path:
        """Write a JWKS file with the public half alone, and return its path."""
        path.write_text(json.dumps({"keys": [self.jwk()]}), encoding="utf-8")
        return path

    def token(
        self,
        *,
        roles: Iterable[object] = (),
        accounts: Iterable[object] = (),
        subject: str = "tester",
        ttl_s: int = 3_600,
        **claims: Any,
    ) -> str:
        """Sign a token. `claims` replace any claim by their value, or take it out where the value is None."""
        now_s = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "nbf": now_s - 1,
            "exp": now_s + ttl_s,
            "roles": list(roles),
            "accounts": list(accounts),
        } | claims
        kept = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(kept, self.private, algorithm="EdDSA", headers={"kid": self.key_id})


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Make the call metadata that carries a token."""
    return (("authorization", f"Bearer {token}"),)
