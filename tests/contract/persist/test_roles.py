"""Each role may do what it must and no more, and what is written once stays as it is, whoever tries."""

import asyncio
import itertools
import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local.postgres import DATABASE, PostgresServer
from services.persist.migrate import current, migrate
from tests.persisting import World, order, persisting, verdicts
from tests.postgres import TEMPLATE, run_sql

# What each role may do: (s)elect, (i)nsert, (u)pdate and (d)elete, in capitals where it is for the whole table and in
# small letters where it is for some columns.
RIGHTS = """
    table            writer  reader  auditor
    accounts         SIu     S       S
    alembic_version  S       S       S
    audit            SI      S       S
    batches          SI      S       S
    cards            SIu     S       S
    events           SI      S       S
    exposure         SIu     S       S
    leases           SIu     S       S
    lines            SI      S       S
    operations       SIu     S       -
    postings         SI      S       S
    request_keys     SI      S       S
    round_prices     SI      S       S
    rounds           SIu     S       s
    seed_chains      SIu     S       s
    settlements      SI      S       S
    suspensions      SID     S       S
    tickets          SI      S       S
    tracks           SIu     S       S
    transfers        SI      S       S
    transitions      SI      S       s
    unclaimed        SIuD    S       S
"""

WRITTEN_ONCE = (
    *("request_keys", "tickets", "lines", "events", "transfers"),
    *("audit", "postings", "settlements", "batches", "transitions", "round_prices"),
)

WRITER_MAY_NOT = (
    "UPDATE accounts SET floor_minor = -1",
    "UPDATE accounts SET kind = 3",
    "UPDATE rounds SET locks_at = locks_at + interval '1 hour'",
    "UPDATE rounds SET commitment = sha256('x')",
    "UPDATE tracks SET currency = 'USD'",
    "UPDATE tickets SET stake_minor = 1",
    "DELETE FROM transfers",
    "TRUNCATE events",
    "DELETE FROM accounts",
    "SELECT * FROM tickets_rounds_0",
    "CREATE TABLE mine (x int)",
    "ALTER TABLE tickets DISABLE TRIGGER ALL",
    "SELECT make_partition('tickets', 'mine', '0', '1')",
)

AUDITOR_MAY_NOT = (
    "SELECT sealed_seed FROM rounds",
    "SELECT stored_round FROM transitions",
    "SELECT * FROM operations",
    "SELECT sealed_checkpoints FROM seed_chains",
)

_numbers = itertools.count(1)


def rights() -> Sequence[tuple[str, str, str]]:
    """A row per table and role."""
    heading, *rows = (line.split() for line in RIGHTS.strip().splitlines())
    return [(row[0], role, may) for row in rows for role, may in zip(heading[1:], row[1:], strict=True)]


async def login(postgres: PostgresServer, url: str, *groups: str) -> str:
    """The address of a database for a user of its own who is a member of groups and nothing else."""
    name = f"user_{next(_numbers)}"
    grants = [f"GRANT {group} TO {name}" for group in groups]
    await run_sql(postgres.url_of(DATABASE), f"CREATE ROLE {name} LOGIN PASSWORD 'secret'", *grants)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:secret@{parts.hostname}:{parts.port}"))


@pytest.fixture(scope="module")
def world_url(postgres: PostgresServer) -> str:
    """A migrated database that these tests only ask."""
    return postgres.url_of(TEMPLATE)


async def say_as(role: str, url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, server_settings={"role": role})
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(("table", "role", "may"), rights())
async def test_each_role_has_these_rights_to_each_table(world_url: str, table: str, role: str, may: str) -> None:
    connection = await asyncpg.connect(world_url)
    try:
        found = await connection.fetchval(
            """SELECT string_agg(CASE WHEN has_table_privilege($1, $2, kind) THEN left(kind, 1)
                   WHEN kind IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege($1, $2, kind)
                   THEN lower(left(kind, 1)) END, '' ORDER BY place)
               FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER,REFERENCES,MAINTAIN}'::text[])
                   WITH ORDINALITY AS kinds (kind, place)""",
            f"furlong_{role}",
            table,
        )
    finally:
        await connection.close()
    assert (found or "-") == may


async def test_no_table_is_missing_from_the_rights(world_url: str) -> None:
    connection = await asyncpg.connect(world_url)
    try:
        tables = await connection.fetch(
            """SELECT relname FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"""
        )
    finally:
        await connection.close()
    assert {row["relname"] for row in tables} == {table for table, _, _ in rights()}


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        *(("furlong_writer", statement) for statement in WRITER_MAY_NOT),
        *(("furlong_auditor", statement) for statement in AUDITOR_MAY_NOT),
        ("furlong_reader", "UPDATE accounts SET balance_minor = 1"),
        ("furlong_reader", "SELECT make_partitions(1)"),
    ],
)
async def test_what_a_role_may_not_do_is_refused(world_url: str, role: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await say_as(role, world_url, statement)


async def test_what_is_written_once_is_changed_by_nobody_not_even_its_owner(world: World) -> None:
    player = await world.account(1_000)
    for _ in range(2):
        round_id = (await world.open()).round.round_id
        await world.set_prices(round_id, {2: 400})
        await world.place(round_id, order(player, 100, price_revision=1))
        if round_id % 2:
            await world.settle(round_id)
        else:
            await world.void(round_id)
    for table in WRITTEN_ONCE:
        column = await world.sql("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 2", table)
        targets = await world.sql(f"SELECT DISTINCT tableoid::regclass::text AS name FROM {table}")
        assert targets, f"{table} has rows"
        for target in {table, *(row["name"] for row in targets)}:
            name = column[0]["attname"]
            for statement in (
                f"UPDATE {target} SET {name} = {name}",
                f"DELETE FROM {target}",
                f"TRUNCATE {target} CASCADE",
            ):
                for role in ("furlong_migrator", "none"):  # its owner; and the tests' own user, a superuser
                    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="written once"):
                        await say_as(role, world.database_url, statement)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE seed_chains SET anchor = sha256('another')",
        "UPDATE seed_chains SET sealed_checkpoints = 'x'",
        "UPDATE seed_chains SET used = 0",
        "UPDATE seed_chains SET used = used + 2",
        "DELETE FROM seed_chains",
        "TRUNCATE seed_chains",
    ],
)
async def test_a_seed_chain_is_changed_by_nobody_and_its_seeds_are_used_in_turn(world: World, change: str) -> None:
    await world.sql(
        """INSERT INTO seed_chains (track, chain_no, anchor, length, used, published_at, sealed_checkpoints)
           VALUES ($1, 1, sha256('anchor'), 10, 3, now(), 'sealed')""",
        world.track,
    )
    for role in ("furlong_migrator", "none"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await say_as(role, world.database_url, change)
    await say_as("furlong_writer", world.database_url, "UPDATE seed_chains SET used = used + 1")


async def test_a_partition_made_by_the_writer_belongs_to_the_migrator_and_is_guarded_too(world: World) -> None:
    await say_as("furlong_writer", world.database_url, "SELECT make_partitions(25000)")
    rows = await world.sql(
        """SELECT pg_get_userbyid(relowner) AS owner, relacl IS NULL AS without_grants,
                  (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid) AS triggers
           FROM pg_class c WHERE relname = 'tickets_rounds_20000'"""
    )
    assert [tuple(row) for row in rows] == [("furlong_migrator", True, 2)]


async def test_persist_works_for_a_user_who_is_only_a_writer_and_a_reader(
    postgres: PostgresServer, database_url: str
) -> None:
    url = await login(postgres, database_url, "furlong_writer", "furlong_reader")
    async with persisting(url) as stubs:
        world = World(stubs, database_url)
        await world.found()
        player = await world.account(1_000)
        round_id = (await world.open()).round.round_id
        assert verdicts(await world.place(round_id, order(player, 100))) == ["ACCEPTED"]
        await world.settle(round_id)
        await world.check_books()


async def test_persist_works_without_roles_of_its_own_for_a_user_whom_they_are_granted(
    postgres: PostgresServer, database_url: str
) -> None:
    url = await login(postgres, database_url, "furlong_writer")
    async with persisting(url, db_writer_role="", db_reader_role="") as stubs:
        world = World(stubs, database_url)
        await world.found()
        assert await world.balance_minor(await world.account(1_000)) == 1_000


async def test_persist_tells_a_user_without_roles_what_is_missing(postgres: PostgresServer, database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.persist"),
        env={
            **os.environ,
            "DATABASE_URL": await login(postgres, database_url),
            "FURLONG_AUTH": "off",
            "PYTHONPATH": "gen:client",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert "an administrator grants it DB_WRITER_ROLE and DB_READER_ROLE" in said.decode()


async def test_who_may_not_make_roles_is_told_what_an_administrator_runs_and_then_can_migrate(
    postgres: PostgresServer,
) -> None:
    admin = postgres.url_of(DATABASE)
    await run_sql(admin, "CREATE DATABASE modest")
    url = await login(postgres, postgres.url_of("modest"))
    user = urlsplit(url).username
    await run_sql(admin, f"ALTER DATABASE modest OWNER TO {user}")
    await run_sql(admin, "ALTER ROLE furlong_auditor RENAME TO somebody_else")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the role furlong_auditor is missing"):
            await migrate(url, "head")
    finally:
        await run_sql(admin, "ALTER ROLE somebody_else RENAME TO furlong_auditor")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is not a member of furlong_migrator") as told:
        await migrate(url, "head")
    assert await current(url) == ""
    _, _, advice = str(told.value.hint).partition("An administrator runs: ")
    statements = [statement.strip() for statement in advice.split(";")]
    await run_sql(postgres.url_of("modest"), *(one for one in statements if one.startswith("GRANT")))  # they exist here
    await migrate(url, "head")
    async with persisting(url) as stubs:
        await World(stubs, url).found()
    while await current(url):
        await migrate(url, "-1")
