"""Everything that must be secret, made at the first start and handed to the parts, to each its own and no more.

    python -m deploy.compose.secrets KEYS SECRETS

KEYS is kept for ever and read by nobody else:

    jwt-private.pem, jwks.json, seed.key    see deploy/local/keys.py
    database.password, redis.password       made at random

SECRETS has a folder for each part, which is all that the part sees. A start writes them anew, so that a token that is
about to expire is not the one that is shown, and what was lost is there again. Certificates stand beside them
(`python -m deploy.certificates`).
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.keys import DAY_S, KeyRing, kept_password, write_private
from deploy.local.redis import cache_configuration

ROLE: Final = "furlong"
OPENING_TOKEN_S: Final = DAY_S
"""How long the one who opens the first tracks may act."""


def hand_out(keys: Path, secrets_folder: Path) -> None:
    """Make what is missing in `keys`, and write to each part's folder what the part needs."""
    ring = KeyRing(keys)
    database = kept_password(keys / "database.password")
    redis = kept_password(keys / "redis.password")
    jwks = ring.jwks_file.read_text()
    database_url = f"postgresql://{ROLE}:{database}@postgres:5432/{ROLE}\n"
    handed: Mapping[str, Mapping[str, str]] = {
        "game": {
            "jwks.json": jwks,
            "seed.key": ring.seed_key_file.read_text(),
            "service.token": ring.service_token(subject="game") + "\n",
        },
        "persist": {
            "jwks.json": jwks,
            "database-url": database_url,
            "service.token": ring.service_token(subject="persist") + "\n",
        },
        "cache": {"jwks.json": jwks, "redis-url": f"redis://:{redis}@redis:6379/0\n"},
        "metrics": {"jwks.json": jwks},
        "migrations": {"database-url": database_url},
        "tracks": {"token": ring.token(subject="first tracks", roles=("OPERATOR",), lifetime_s=OPENING_TOKEN_S) + "\n"},
        "postgres": {"password": database},
        "redis": {"password": redis, "redis.conf": cache_configuration(redis)},
    }
    for part, files in handed.items():
        folder = secrets_folder / part
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in files.items():
            write_private(folder / name, text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    hand_out(Path(sys.argv[1]), Path(sys.argv[2]))
