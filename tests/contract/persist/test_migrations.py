"""The schema goes up and down, and persist says what it misses."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import DATABASE, PostgresServer
from services.persist.migrate import current, migrate
from services.persist.migrations import versions
from tests.persisting import World, order, persisting
from tests.postgres import run_sql

STEPS = sorted(path.name[:4] for path in Path(versions.__path__[0]).glob("[0-9]*.py"))
HEAD = STEPS[-1]

MONEY_AND_TICKETS: Mapping[str, str] = {
    "accounts": "account_id, kind, balance_minor FROM accounts WHERE kind <> 6",
    "transfers": """transfer_id, round_id, kind, reference, debit_account_id, credit_account_id, amount_minor,
        reason, actor FROM transfers""",
    "tickets": "round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at FROM tickets",
    "lines": "* FROM lines",
    "events": "round_id, ticket_id, kind, payout_minor FROM events",
    "request_keys": "* FROM request_keys",
    "settlements": "round_id, winners, stake_minor, payout_minor FROM settlements WHERE winners <> ''",
    "rounds": "round_id, phase, revision, result, payout_minor, tickets_root FROM rounds",
}
"""What every form of the schema holds, and holds alike."""


async def contents(world: World) -> Mapping[str, Sequence[asyncpg.Record]]:
    return {name: sorted(await world.sql(f"SELECT {what}"), key=repr) for name, what in MONEY_AND_TICKETS.items()}


async def fill(world: World) -> int:
    """A settled round, a voided one and an open one, in which the returned id is the open one's."""
    player = await world.account(10_000)
    for _ in range(2):
        round_id = (await world.open()).round.round_id
        await world.place(round_id, order(player, 100, 50), order(player, 70, runner=2))
        await world.settle(round_id)
    voided = (await world.open()).round.round_id
    await world.place(voided, order(player, 30))
    await world.stubs.rounds.VoidRound(world.void_request(voided, epoch=world.epoch))  # an operator's would be audited
    await world.post(voided)
    open_round: int = (await world.open()).round.round_id
    await world.place(open_round, order(player, 20), order(player, 1_000_000))
    return open_round


async def back_to(database_url: str, step: str) -> None:
    while await current(database_url) != step:
        await migrate(database_url, "-1")


async def test_a_filled_database_goes_down_step_by_step_and_up_again_and_keeps_all_it_can_hold(world: World) -> None:
    await fill(world)
    before = await contents(world)
    for step in reversed(STEPS[:-1]):
        await migrate(world.database_url, "-1")  # with persist connected: idle connections hold no locks
        assert await current(world.database_url) == step
        assert await contents(world) == before
    for step in STEPS[1:]:
        await migrate(world.database_url, step)
        assert await contents(world) == before


async def test_the_last_step_back_leaves_nothing(world: World) -> None:
    await back_to(world.database_url, "")
    left = await world.sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert {row["relname"] for row in left} <= {"alembic_version", "alembic_version_pkc"}
    assert await world.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == []
    await migrate(world.database_url, "head")
    assert await current(world.database_url) == HEAD


ONLY_IN_0002: Sequence[tuple[str, str]] = (
    ("UPDATE rounds SET posting = true", "4 rounds whose money is still being posted"),
    (
        """INSERT INTO settlements (round_id, settlement_no, kind, request_id, winners, tickets_paid, stake_minor,
           payout_minor) VALUES (1, 2, 3, gen_random_uuid(), '', 0, 0, 0)""",
        "1 corrected results",
    ),
    (
        """INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
           SELECT round_id, ticket_id, 4, 1, 5, now() FROM tickets LIMIT 1""",
        "1 tickets cancelled, paid, expired or reversed",
    ),
    (
        """INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
           VALUES (gen_random_uuid(), 1, 1, 'EUR', 5, now())""",
        "1 prizes that can still be claimed",
    ),
    ("UPDATE accounts SET balance_minor = 5 WHERE kind = 6", "1 currencies with money moved through PRIZES"),
    (
        """INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
           SELECT 1, 9, gen_random_uuid(), p.account_id, h.account_id, 5, now()
           FROM accounts p, accounts h WHERE p.kind = 6 AND h.kind = 3""",
        "1 currencies with money moved through PRIZES",
    ),
    ("UPDATE tracks SET round_loss_max_minor = 5", "1 tracks with a limit on liability"),
    (
        "UPDATE rounds SET selection_payout_max_minor = 5",  # ended rounds too, which do not matter any more
        "1 unfinished rounds with a limit on liability",
    ),
    (
        """INSERT INTO audit (action, subject, actor, reason, previous, hash)
           VALUES ('a', 'b', 'c', 'd', sha256('1'), sha256('2'))""",
        "1 records of what people did by hand",
    ),
)


@pytest.mark.parametrize(("fact", "words"), ONLY_IN_0002, ids=[words for _, words in ONLY_IN_0002])
async def test_what_only_step_0002_can_hold_stops_its_way_back(database_url: str, fact: str, words: str) -> None:
    async with persisting(database_url) as stubs:
        world = World(stubs, database_url)
        await world.found()
        await fill(world)
    await back_to(database_url, "0002")
    await run_sql(database_url, fact)
    with pytest.raises(asyncpg.ObjectInUseError, match=words):
        await migrate(database_url, "-1")
    assert await current(database_url) == "0002"


ONLY_IN_0007: Sequence[tuple[str, str]] = (
    (
        """INSERT INTO suspensions (track, terminal, reason, since)
           SELECT track, 'till-3', 'stolen', now() FROM tracks LIMIT 1""",
        "1 markets, runners and terminals that are suspended",
    ),
    (
        """INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place,
           stake_minor, placed_at, terminal)
           SELECT round_id, gen_random_uuid(), account_id, batch_id, 500, 1, now(), 'till-3' FROM tickets LIMIT 1""",
        "1 tickets with the terminal that sold them",
    ),
)


@pytest.mark.parametrize(("fact", "words"), ONLY_IN_0007, ids=[words for _, words in ONLY_IN_0007])
async def test_what_only_step_0007_can_hold_stops_its_way_back(database_url: str, fact: str, words: str) -> None:
    async with persisting(database_url) as stubs:
        world = World(stubs, database_url)
        await world.found()
        await fill(world)
    await back_to(database_url, "0007")
    await run_sql(database_url, fact)
    with pytest.raises(asyncpg.ObjectInUseError, match=words):
        await migrate(database_url, "-1")
    assert await current(database_url) == "0007"


async def test_what_only_step_0008_can_hold_stops_its_way_back(database_url: str) -> None:
    await back_to(database_url, "0008")
    await run_sql(database_url, "INSERT INTO round_prices VALUES (1, 1, 1, 3, 250, now())")
    with pytest.raises(asyncpg.ObjectInUseError, match=r"1 prices that were set \(round_prices\)"):
        await migrate(database_url, "-1")
    assert await current(database_url) == "0008"


@pytest.mark.parametrize(
    "impossible",
    [(0, 0, 0, ""), (1, 0, 0, "till-3"), (0, 0, 1, ""), (1, 5, 0, "")],
    ids=["nothing", "two parts", "a runner of no round", "a market of one round"],
)
async def test_a_suspension_is_of_exactly_one_part(world: World, impossible: tuple[int, int, int, str]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await world.sql(
            """INSERT INTO suspensions (track, market, round_id, runner, terminal, reason, since)
               VALUES ($1, $2, $3, $4, $5, '', now())""",
            world.track,
            *impossible,
        )


async def test_a_published_seed_chain_stops_the_way_back_of_its_step(world: World) -> None:
    await world.sql(
        """INSERT INTO seed_chains (track, chain_no, anchor, length, published_at, sealed_checkpoints)
           VALUES ($1, 1, sha256('anchor'), 10, now(), 'sealed')""",
        world.track,
    )
    await back_to(world.database_url, "0006")
    with pytest.raises(asyncpg.ObjectInUseError, match="1 chains of seeds"):
        await migrate(world.database_url, "-1")


async def test_two_migrations_at_once_wait_for_each_other(postgres: PostgresServer) -> None:
    await run_sql(postgres.url_of(DATABASE), "CREATE DATABASE twice")
    url = postgres.url_of("twice")
    await asyncio.gather(migrate(url, "head"), migrate(url, "head"))
    assert await current(url) == HEAD


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
