"""A real PostgreSQL for tests: one throw-away server per test session, a fresh migrated database per test.

A conftest makes the fixtures its own by importing them: `from tests.postgres import database_url, postgres`.
"""

import asyncio
import itertools
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.postgres import DATABASE, ROLE, PostgresServer
from services.persist.migrate import migrate

TEMPLATE = "migrated"
SETTINGS = {"shared_buffers": "64MB", "max_connections": "200"}

SHORT_LIVED = SETTINGS | {"autovacuum": "off"}
"""Hundreds of small databases, each used for a second: looking after all of them costs more than the tests."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server with a migrated database to copy. It ends with the test run, even when that is killed."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), settings=SHORT_LIVED)
    server.start()
    try:
        password = urlsplit(server.url).password
        # A login costs the client as much time as an attack on the password would, unless it was hashed but once.
        asyncio.run(run_sql(server.url, "SET scram_iterations = 1", f"ALTER ROLE {ROLE} PASSWORD '{password}'"))
        asyncio.run(run_sql(server.url, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(server.url_of(TEMPLATE), "head"))
        yield server
    finally:
        server.kill()  # nobody needs what is in it, and stopping in order would write it all to disk


@pytest.fixture
async def database_url(postgres: PostgresServer) -> str:
    """A migrated database of one's own."""
    return await new_database(postgres)


async def new_database(postgres: PostgresServer) -> str:
    """Copy the migrated database; the address of the copy."""
    name = f"test_{next(_numbers)}"
    await run_sql(postgres.url_of(DATABASE), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return postgres.url_of(name)


async def run_sql(url: str, *statements: str) -> None:
    """Run statements outside of any transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
