"""The files of which Kubernetes' Secrets are made: `python -m deploy.kubernetes.secrets [FOLDER] [--cloudnative-pg]`.

Each folder is one Secret, `game/` of `game-keys`; its files are the Secret's keys. What is there is kept, but for the
tokens, which are signed anew: who runs this again renews them and nothing else. `keys/` stays with whoever runs it.

    keys/          jwt-private.pem signs the tokens of people and services, redis.password is Redis's; no part has them
    game/          jwks.json, seed.key, service.token
    persist/       jwks.json, database-url, service.token
    cache/         jwks.json, redis-url
    metrics/       jwks.json
    migrations/    database-url
    postgresql/    password                            of the local overlay's PostgreSQL
    redis/         redis.conf                          of the local overlay's Redis

With --cloudnative-pg the stores are those of the production overlay: in the place of the last two come
`postgresql-app/` and `postgresql-deploy/`, each with username and password, and `cache/redis-url` is yours to write.
"""

import argparse
from pathlib import Path
from typing import Final

from deploy.local.keys import KeyRing, kept_password, write_private
from deploy.local.redis import cache_configuration

FOLDER: Final = Path(__file__).with_name("overlays") / "local" / "secrets"
CA_IN_PODS: Final = "/etc/furlong/database-ca/ca.crt"
"""Where persist and migrations find who signed the database's certificate."""


def make(folder: Path, *, cloudnative_pg: bool = False) -> None:
    """Make in `folder` what is missing, and sign the services' tokens."""
    ring = KeyRing(folder / "keys")
    for part in ("game", "persist", "cache", "metrics"):
        _write(folder / part / "jwks.json", ring.jwks_file.read_text())
    _write(folder / "game" / "seed.key", ring.seed_key_file.read_text())
    for part in ("game", "persist"):
        _write(folder / part / "service.token", ring.service_token(subject=part) + "\n")
    if cloudnative_pg:
        _keep(folder / "persist" / "database-url", _managed_url(folder / "postgresql-app", "furlong_app"))
        _keep(folder / "migrations" / "database-url", _managed_url(folder / "postgresql-deploy", "furlong_deploy"))
        return
    password = _password(folder / "postgresql" / "password")
    for part in ("persist", "migrations"):
        _keep(folder / part / "database-url", f"postgresql://furlong:{password}@postgresql:5432/furlong\n")
    password = kept_password(folder / "keys" / "redis.password")
    _keep(folder / "redis" / "redis.conf", cache_configuration(password))
    _keep(folder / "cache" / "redis-url", f"redis://:{password}@redis:6379/0\n")


def _managed_url(login: Path, username: str) -> str:
    """The address of CloudNativePG's primary for a login of its own, whose name and password are written beside it."""
    _keep(login / "username", username)
    password = _password(login / "password")
    proof = f"sslmode=verify-full&sslrootcert={CA_IN_PODS}"
    return f"postgresql://{username}:{password}@postgresql-rw:5432/furlong?{proof}\n"


def _password(file: Path) -> str:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return kept_password(file)


def _keep(file: Path, text: str) -> None:
    if not file.exists():
        _write(file, text)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, text)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kubernetes.secrets", description="Make the secrets' files.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, metavar="FOLDER")
    parser.add_argument("--cloudnative-pg", action="store_true", help="for the stores of the production overlay")
    given = parser.parse_args()
    make(given.folder, cloudnative_pg=given.cloudnative_pg)
    print(f"the secrets are in {given.folder}")


if __name__ == "__main__":
    main()
