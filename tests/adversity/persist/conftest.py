"""persist over a PostgreSQL of its own that a test may stop, freeze and kill."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.postgres import PostgresServer
from services.persist.migrate import migrate
from tests.persisting import World, persisting
from tests.postgres import SETTINGS


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A migrated server on a port that stays the same when it comes back."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), port=port, settings=SETTINGS)
    server.start()
    try:
        asyncio.run(migrate(server.url, "head"))
        yield server
    finally:
        server.kill()  # nobody needs what is in it, and stopping in order would write it all to disk


@pytest.fixture
async def world(postgres: PostgresServer) -> AsyncIterator[World]:
    """A track under a lease, and persist to keep it, with little patience."""
    async with persisting(postgres.url, db_statement_timeout_ms=1_000, db_connection_timeout_ms=1_000) as stubs:
        world = World(stubs, postgres.url)
        await world.found()
        yield world
        await world.check_books()
