"""The schema goes up and down, and persist says what it misses."""

import asyncio
import os
import sys

from deploy.local.postgres import DATABASE, PostgresServer
from services.persist.migrate import current, migrate
from tests.persisting import World, order
from tests.postgres import run_sql


async def test_the_schema_goes_down_and_up_again_on_a_filled_database(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 100))
    await world.settle(round_id)
    await migrate(world.database_url, "-1")  # with persist connected: idle connections hold no locks
    assert await current(world.database_url) == ""
    left = await world.sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert {row["relname"] for row in left} <= {"alembic_version", "alembic_version_pkc"}
    await migrate(world.database_url, "head")
    assert await current(world.database_url) == "0001"


async def test_two_migrations_at_once_wait_for_each_other(postgres: PostgresServer) -> None:
    await run_sql(postgres.url_of(DATABASE), "CREATE DATABASE twice")
    url = postgres.url_of("twice")
    await asyncio.gather(migrate(url, "head"), migrate(url, "head"))
    assert await current(url) == "0001"


async def test_persist_says_that_its_database_is_not_migrated_or_not_there(postgres: PostgresServer) -> None:
    await run_sql(postgres.url_of(DATABASE), "CREATE DATABASE bare")
    for url, words in (
        (postgres.url_of("bare"), "services.persist.migrate up"),
        ("postgresql://nobody@127.0.0.1:1/nowhere", "does not answer"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "services.persist"),
            env={**os.environ, "DATABASE_URL": url, "FURLONG_AUTH": "off", "PYTHONPATH": "gen:client"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 1
        assert words in said.decode()
