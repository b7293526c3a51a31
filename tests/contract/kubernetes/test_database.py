"""A PostgreSQL that is set up as the component for CloudNativePG says takes the migrations and serves persist, by
logins that are no superusers. The one at hand speaks no TLS, so its name is not checked here."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml

from deploy.kubernetes import secrets
from deploy.local.postgres import PostgresServer
from services.chassis.clock import SystemClock
from services.chassis.config import read
from services.persist import migrate
from services.persist.__main__ import persist
from services.persist.config import PersistConfig
from tests.contract.kubernetes.conftest import KUBERNETES
from tests.postgres import run_sql

VERIFIED = f"sslmode=verify-full&sslrootcert={secrets.CA_IN_PODS}"
AS_THEY_COME = "sslmode=prefer"


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    """The specification of the database."""
    found = yaml.safe_load((KUBERNETES / "components" / "cloudnative-pg" / "cluster.yaml").read_text())
    specification: dict[str, Any] = found["spec"]
    return specification


@pytest.fixture
async def made(cluster: dict[str, Any], tmp_path: Path) -> AsyncIterator[tuple[Path, int]]:
    """The folder of the secrets, and the port of a server that was set up as the operator does it."""
    secrets.make(tmp_path / "secrets", cloudnative_pg=True)
    server = PostgresServer(tmp_path / "postgres", settings={"shared_buffers": "32MB"})
    server.start()
    try:
        port = urlsplit(server.url).port
        assert port is not None
        initdb = cluster["bootstrap"]["initdb"]
        await run_sql(
            server.url,
            f"CREATE ROLE {initdb['owner']} LOGIN PASSWORD '{password(tmp_path, 'postgresql-deploy')}'",
            f"CREATE DATABASE application OWNER {initdb['owner']} ENCODING '{initdb['encoding']}'",
        )
        await run_sql(server.url_of("application"), *initdb["postInitApplicationSQL"])
        for role in cluster["managed"]["roles"]:
            await run_sql(
                server.url,
                f"CREATE ROLE {role['name']} LOGIN INHERIT PASSWORD '{password(tmp_path, 'postgresql-app')}' "
                f"IN ROLE {', '.join(role['inRoles'])}",
            )
        yield tmp_path, port
    finally:
        server.kill()


def password(folder: Path, login: str) -> str:
    return (folder / "secrets" / login / "password").read_text().strip()


def address(folder: Path, port: int, part: str) -> str:
    """The address in a part's Secret, with what is another place here."""
    kept = (folder / "secrets" / part / "database-url").read_text().strip()
    for there, here in (
        ("postgresql-rw:5432/furlong", f"127.0.0.1:{port}/application"),
        (VERIFIED, AS_THEY_COME),
    ):
        assert there in kept
        kept = kept.replace(there, here)
    return kept


async def test_the_migrations_and_persist_work_with_their_own_logins(made: tuple[Path, int]) -> None:
    await migrate.migrate(address(*made, "migrations"), "head")
    assert await migrate.current(address(*made, "migrations")) != ""

    config = read(PersistConfig, {"DATABASE_URL": address(*made, "persist")})
    async with persist(config, SystemClock()) as running:
        assert running.readiness()


async def test_the_logins_are_no_superusers(made: tuple[Path, int]) -> None:
    for part in ("migrations", "persist"):
        connection = await asyncpg.connect(address(*made, part))
        try:
            assert await connection.fetchval("SHOW is_superuser") == "off"
        finally:
            await connection.close()
