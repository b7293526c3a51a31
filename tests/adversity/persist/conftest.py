"""persist over a PostgreSQL of its own that a test may stop, freeze and kill; in this process, or in one of its own."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from deploy.local.postgres import DATABASE, PostgresServer
from services.persist.migrate import migrate
from tests.crashing import PersistProcess, Site
from tests.history.recorder import Recorder
from tests.persisting import World, persisting
from tests.postgres import SETTINGS, TEMPLATE, run_sql

_numbers = itertools.count(1)


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
    async with persisting(
        postgres.url,
        patience_s=None,
        db_statement_timeout_ms=1_000,
        db_lock_timeout_ms=1_000,
        db_connection_timeout_ms=1_000,
    ) as stubs:
        world = World(stubs, postgres.url)
        await world.found()
        yield world
        await world.check_books()


@pytest.fixture(scope="session")
def errands() -> Iterator[ThreadPoolExecutor]:
    """The thread that starts and ends processes."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="errands") as thread:
        yield thread


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory, errands: ThreadPoolExecutor) -> Iterator[PostgresServer]:
    """A server for all tests that kill it and bring it back, with a migrated database to copy."""
    server = PostgresServer(tmp_path_factory.mktemp("lasting"), port=free_port(), settings=SETTINGS)
    errands.submit(server.start).result()
    try:
        asyncio.run(run_sql(server.url, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(server.url_of(TEMPLATE), "head"))
        yield server
    finally:
        errands.submit(server.kill).result()


@pytest.fixture
async def site(lasting: PostgresServer, errands: ThreadPoolExecutor, tmp_path: Path) -> AsyncIterator[Site]:
    """A migrated database of one's own on the lasting server, and a persist that is not started yet."""
    name = f"site_{next(_numbers)}"
    await run_sql(lasting.url_of(DATABASE), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    url = lasting.url_of(name)
    persist = PersistProcess(tmp_path, url, errands)
    with Recorder(tmp_path / "history.jsonl") as recorder:
        site = Site(url, persist, lasting, recorder)
        try:
            yield site
        finally:
            await persist.kill()
            await site.start_postgres()
            await run_sql(lasting.url_of(DATABASE), f"DROP DATABASE {name} WITH (FORCE)")  # a crash costs by the file
