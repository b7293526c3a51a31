"""`furlong id` and `furlong token`: request ids for anybody, tokens for those who hold the signing key."""

import base64
import hashlib
import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from furlong.client.cli.session import fail, session
from furlong.client.identity import uuid7

ISSUER = AUDIENCE = "furlong"
ANY_ACCOUNT = "*"
LIFETIME_S = 24 * 3600
LIFETIME_S_MAX = 366 * 24 * 3600
# A token is valid from a moment ago, for servers whose clocks are a little behind.
CLOCK_SKEW_S = 60


class Role(StrEnum):
    """What a token lets its bearer be."""

    PLAYER = "PLAYER"
    CASHIER = "CASHIER"
    OPERATOR = "OPERATOR"
    AUDITOR = "AUDITOR"


def fresh_id() -> None:
    """Print a fresh request id, a UUIDv7."""
    typer.echo(uuid7())


def token(
    ctx: typer.Context,
    role: Annotated[list[Role] | None, typer.Option(help="A role, any number of times.", show_default="all")] = None,
    account: Annotated[
        list[str] | None, typer.Option(metavar="UUID", help="An account to act for, any number.", show_default="any")
    ] = None,
    subject: Annotated[str, typer.Option(help="Whom the token is for.")] = "developer",
    terminal: Annotated[
        str, typer.Option(metavar="NAME", help="The terminal that it is bound to.", show_default="none")
    ] = "",
    ttl_s: Annotated[int, typer.Option(min=1, max=LIFETIME_S_MAX, help="Seconds that it is good for.")] = LIFETIME_S,
) -> None:
    """Sign a bearer token with the key of a local stack, and print it.

    The key is keys/jwt-private.pem in the data folder, which `make up` made. PyJWT has to be installed.
    """
    key_file = session(ctx).data_dir / "keys" / "jwt-private.pem"
    now_s = int(time.time())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "nbf": now_s - CLOCK_SKEW_S,
        "exp": now_s + ttl_s,
        "roles": [each.value for each in role or Role],
        "accounts": account or [ANY_ACCOUNT],
    }
    if terminal:
        claims["terminal"] = terminal
    typer.echo(_signed(claims, key_file))


def _signed(claims: dict[str, object], key_file: Path) -> str:
    try:  # the client works without PyJWT; only whoever holds the key needs it
        import jwt
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ModuleNotFoundError as missing:
        fail(f"signing a token needs {missing.name}: pip install 'pyjwt[crypto]'")
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except FileNotFoundError:
        fail(f"there is no signing key {key_file}: `make up` makes one, --data or FURLONG_DATA names another folder")
    except (OSError, ValueError, TypeError) as error:
        fail(f"the signing key {key_file} cannot be read: {error}")
    if not isinstance(key, Ed25519PrivateKey):
        fail(f"the signing key {key_file} is not an Ed25519 key")
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": _thumbprint(key.public_key().public_bytes_raw())})


def _thumbprint(public_key: bytes) -> str:
    """Name the key by its thumbprint (RFC 7638), as the stack's key set does."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key)}
    return _base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
