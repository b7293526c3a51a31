"""Partitions are there before they are needed, are made without stopping anybody, and go when nothing needs them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import asyncpg
import grpc
import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Round
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest

from services.chassis.refusal import Refusal
from services.persist import partitions
from services.persist.__main__ import run
from services.persist.adapters.postgres.tickets import READ_TICKET
from services.persist.config import PersistConfig
from services.persist.migrate import migrate
from tests.persisting import World, order, persisting, verdicts
from tests.served import config

BY_ROUND = ("tickets", "lines", "events", "transfers")
DAY_MS = 86_400_000


@asynccontextmanager
async def connected(world: World) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(world.database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def bounds(world: World) -> Mapping[str, Sequence[str]]:
    """The bounds of every partition, by table, in words."""
    async with connected(world) as connection:
        found = await partitions.read(connection)
    return {parent: [each.bounds for each in found if each.parent == parent] for parent in ("request_keys", *BY_ROUND)}


async def next_round_is(world: World, round_id: int) -> None:
    await world.sql(f"ALTER TABLE rounds ALTER COLUMN round_id RESTART WITH {round_id}")


async def made(world: World, words: str) -> None:
    """Wait for a range of rounds that is being made."""
    async with asyncio.timeout(10):
        while words not in (await bounds(world))["tickets"]:  # noqa: ASYNC110 - no event tells what is committed
            await asyncio.sleep(0.02)


async def play(world: World, player: str) -> int:
    """A round from its opening to its last payment."""
    round_id: int = (await world.open()).round.round_id
    assert verdicts(await world.place(round_id, order(player, 10))) == ["ACCEPTED"]
    await world.settle(round_id)
    return round_id


async def test_a_new_database_has_days_for_keys_a_range_of_rounds_and_no_default_partitions(world: World) -> None:
    today = datetime.now(UTC).date()
    days = [today + timedelta(days=n) for n in range(-7, 3)]
    found = await bounds(world)
    assert found["request_keys"] == [f"{day} until {day + timedelta(days=1)}" for day in days]
    assert found["tickets"] == found["lines"] == found["events"] == ["rounds 1 to 9999"]
    assert found["transfers"] == ["rounds 0 to 0", "rounds 1 to 9999"]


async def test_the_opening_of_a_round_makes_the_range_of_a_thousand_rounds_later(world: World) -> None:
    player = await world.account(1_000)
    await next_round_is(world, 8_999)
    await play(world, player)
    assert (await bounds(world))["tickets"] == ["rounds 1 to 9999"]
    await play(world, player)
    await made(world, "rounds 10000 to 19999")  # behind the opening, which does not wait for it
    for parent in BY_ROUND:
        assert (await bounds(world))[parent][-2:] == ["rounds 1 to 9999", "rounds 10000 to 19999"]


async def test_a_round_far_ahead_has_its_range_made_as_it_opens(world: World) -> None:
    await next_round_is(world, 54_321)
    await play(world, await world.account(1_000))
    assert (await bounds(world))["lines"] == ["rounds 1 to 9999", "rounds 50000 to 59999"]


async def test_persist_makes_the_days_that_are_missing_as_it_starts(world: World) -> None:
    day = (await bounds(world))["request_keys"]
    for row in await world.sql("SELECT partition FROM partitions_of('request_keys')"):
        await world.sql(f"DROP TABLE {row['partition']}")
    async with persisting(world.database_url):
        assert (await bounds(world))["request_keys"] == day


async def test_a_round_opens_although_nobody_can_make_the_days_ahead(world: World) -> None:
    last_day = await without_the_last_day(world)
    async with connected(world) as other, other.transaction():
        await other.execute("LOCK TABLE request_keys IN SHARE UPDATE EXCLUSIVE MODE")  # as ANALYZE and DETACH do
        async with asyncio.timeout(1.5):  # less than making waits
            assert (await world.open()).round.phase == Round.OPEN
        assert last_day not in (await bounds(world))["request_keys"]


async def test_persist_does_not_start_where_partitions_cannot_be_made(world: World) -> None:
    await without_the_last_day(world)
    async with connected(world) as other, other.transaction():
        await other.execute("LOCK TABLE request_keys IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(Refusal, match="the database does not answer"):
            async with persisting(world.database_url):
                pass
        with pytest.raises(SystemExit, match="persist cannot begin: the database does not answer"):
            await run(PersistConfig(server=config(), database_url=world.database_url))


async def without_the_last_day(world: World) -> str:
    """Take away the last of the days ahead: its bounds, in words."""
    last_day = (await bounds(world))["request_keys"][-1]
    await world.sql(f"DROP TABLE request_keys_day_{last_day[:10].replace('-', '')}")
    return last_day


async def test_placing_goes_on_while_partitions_are_made(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    async with connected(world) as maker, maker.transaction():
        assert await maker.fetchval("SELECT make_partitions(90000)") == 4  # and not committed yet
        async with asyncio.timeout(5):
            assert verdicts(await world.place(round_id, order(player, 10))) == ["ACCEPTED"]


async def test_two_who_make_the_same_partitions_at_once_make_them_once(world: World) -> None:
    async with connected(world) as one, connected(world) as other:
        made = await asyncio.gather(*(each.fetchval("SELECT make_partitions(90000)") for each in (one, other)))
    assert sorted(made) == [0, 4]


async def test_ids_of_the_oldest_and_the_newest_moment_that_is_taken_have_their_partition(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    orders = [order(player, 10, request_id=uuid7(now_ms + age)) for age in (-7 * DAY_MS + 60_000, DAY_MS - 60_000)]
    assert verdicts(await world.place(round_id, *orders)) == ["ACCEPTED"] * 2


async def test_what_was_stored_before_becomes_the_first_range_without_being_copied(world: World) -> None:
    player = await world.account(1_000)
    await next_round_is(world, 12_345)
    await play(world, player)
    while await world.sql("SELECT 1 FROM alembic_version WHERE version_num > '0002'"):
        await migrate(world.database_url, "-1")
    await world.sql(  # a clock that was wrong by a month
        """INSERT INTO request_keys (request_id, round_id, decided_at, verdict, content_hash, reason)
           VALUES ($1, 12345, now(), 2, sha256('x'), '')""",
        uuid7(int(datetime.now(UTC).timestamp() * 1_000) + 30 * DAY_MS),
    )
    files = "SELECT pg_relation_filenode($1)"
    before = {name: await world.sql(files, f"{name}_default") for name in (*BY_ROUND, "request_keys")}
    await migrate(world.database_url, "head")
    for name in BY_ROUND:
        assert await world.sql(files, f"{name}_rounds_0") == before[name]
    assert await world.sql(files, "request_keys_before") == before["request_keys"]
    found = await bounds(world)
    today = datetime.now(UTC).date()
    far = today + timedelta(days=30)
    assert found["tickets"] == ["rounds 1 to 19999"]
    assert found["transfers"] == ["rounds 0 to 0", "rounds 1 to 19999"]
    assert found["request_keys"] == [
        f"ever until {today + timedelta(days=2)}",
        f"{today + timedelta(days=2)} until {today + timedelta(days=3)}",
        f"{far} until {far + timedelta(days=1)}",
    ]
    assert await play(world, player) == 12_346


async def test_a_look_up_by_ticket_id_reads_one_day_and_one_range(world: World) -> None:
    player = await world.account(1_000)
    await world.sql("SELECT make_partitions(20000)")
    ticket = order(player, 10)
    await world.place((await world.open()).round.round_id, ticket)
    async with connected(world) as connection:
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET plan_cache_mode = {mode}; SET enable_seqscan = off")
            await connection.execute(f"PREPARE look_up (uuid) AS {READ_TICKET}")
            plan = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS off) EXECUTE look_up ('{ticket.request_id}')")
            lines = [row[0] for row in plan]
            read = [line for line in lines if " on " in line and "never executed" not in line]
            for parent in ("request_keys_day_", "tickets_rounds_", "lines_rounds_", "events_rounds_"):
                # A bitmap names the index of a partition, and then the partition.
                names = {line.split(" on ")[1].split()[0] for line in read if f" on {parent}" in line}
                assert len({name.removesuffix("_pkey") for name in names}) == 1, lines
            await connection.execute("DEALLOCATE look_up")


async def make_old(world: World, days: int = 30) -> None:
    """Let all rounds so far have been played long ago."""
    await world.sql(
        """UPDATE rounds SET opens_at = opens_at - $1::interval, locks_at = locks_at - $1, starts_at = starts_at - $1,
           finishes_at = finishes_at - $1, ends_at = ends_at - $1""",
        timedelta(days=days),
    )


async def detach(world: World, *, rounds_before: int | None = None, before: date | None = None) -> Mapping[str, str]:
    """Detach; what went with an empty reason, and what stays with one."""
    async with connected(world) as connection:
        gone, stay = await partitions.detach(connection, rounds_before=rounds_before, before=before, dry_run=False)
    return {**dict.fromkeys(gone, ""), **stay}


async def test_a_range_is_detached_when_all_its_rounds_are_over_and_keeps_its_rows(world: World) -> None:
    player = await world.account(1_000)
    first = await play(world, player)
    await next_round_is(world, 10_000)
    await play(world, player)
    await make_old(world)
    tickets = await world.sql("SELECT * FROM tickets WHERE round_id = $1", first)
    assert await detach(world, rounds_before=10_000) == dict.fromkeys((f"{parent}_rounds_0" for parent in BY_ROUND), "")
    assert (await bounds(world))["transfers"] == ["rounds 0 to 0", "rounds 10000 to 19999"]
    assert await world.sql("SELECT * FROM tickets_rounds_0") == tickets
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=str(tickets[0]["ticket_id"])))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    await world.place((await world.open()).round.round_id, order(player, 10))
    for parent in BY_ROUND:  # so that the books add up again
        await world.sql(f"ALTER TABLE {parent} ATTACH PARTITION {parent}_rounds_0 FOR VALUES FROM (1) TO (10000)")


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("SELECT 1", "a round ended less than 8 days ago"),
        ("UPDATE rounds SET posting = true WHERE round_id = 1", "1 rounds are not ended and posted"),
        (
            """INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
               VALUES (gen_random_uuid(), 1, 1, 'EUR', 5, now())""",
            "prizes can still be claimed",
        ),
        ("UPDATE rounds SET round_id = DEFAULT WHERE false", "its rounds have not all been opened"),
    ],
)
async def test_a_range_that_is_in_use_stays_and_the_reason_is_named(world: World, deed: str, reason: str) -> None:
    player = await world.account(1_000)
    await play(world, player)
    if "opened" not in reason:
        await next_round_is(world, 10_000)
        await play(world, player)
    if "days ago" not in reason:
        await make_old(world)
    await world.sql(deed)
    stays = await detach(world, rounds_before=10_000)
    assert set(stays) == {f"{parent}_rounds_0" for parent in BY_ROUND}
    assert set(stays.values()) == {reason}


async def test_a_day_of_keys_goes_after_the_tickets_that_its_keys_lead_to(world: World) -> None:
    player = await world.account(1_000)
    today = datetime.now(UTC).date()
    await play(world, player)
    await next_round_is(world, 10_000)
    await play(world, player)
    await make_old(world)
    day = f"request_keys_day_{today - timedelta(days=10):%Y%m%d}"
    old = today - timedelta(days=10)
    await world.sql(
        "SELECT make_partition('request_keys', $1, first_id_of($2)::text, first_id_of($2 + 1)::text)", day, old
    )
    await world.sql(
        """INSERT INTO request_keys (request_id, round_id, decided_at, verdict, content_hash, reason)
           VALUES (first_id_of($1), 1, now(), 1, sha256('x'), '')""",
        old,
    )
    before = today - timedelta(days=6)
    recent = f"request_keys_day_{today - timedelta(days=7):%Y%m%d}"
    stays = await detach(world, before=before)
    assert stays == {
        day: "its keys lead to tickets that are not detached",
        recent: "ids of the last 7 days are answered again",
    }
    gone = await detach(world, rounds_before=10_000, before=before)
    assert [name for name, reason in gone.items() if not reason] == [*(f"{p}_rounds_0" for p in BY_ROUND), day]
    for parent in BY_ROUND:
        await world.sql(f"ALTER TABLE {parent} ATTACH PARTITION {parent}_rounds_0 FOR VALUES FROM (1) TO (10000)")


async def test_a_detaching_that_was_broken_off_is_ended_by_the_next_call(world: World) -> None:
    player = await world.account(1_000)
    await play(world, player)
    await next_round_is(world, 10_000)
    await play(world, player)
    await make_old(world)
    async with connected(world) as reader, connected(world) as detacher:
        await reader.execute("BEGIN; SELECT count(*) FROM tickets")
        await detacher.execute("SET lock_timeout = 300")
        with pytest.raises(asyncpg.LockNotAvailableError):  # it waits for the reader, and does not for ever
            await partitions.detach(detacher, rounds_before=10_000, before=None, dry_run=False)
        await reader.execute("ROLLBACK")
    assert await detach(world, rounds_before=10_000) == dict.fromkeys((f"{parent}_rounds_0" for parent in BY_ROUND), "")
    for parent in BY_ROUND:
        await world.sql(f"ALTER TABLE {parent} ATTACH PARTITION {parent}_rounds_0 FOR VALUES FROM (1) TO (10000)")


async def test_the_command_lists_makes_and_detaches(world: World) -> None:
    async def say(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.persist.partitions", *words),
            env={**os.environ, "DATABASE_URL": world.database_url, "PYTHONPATH": "gen:client"},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    player = await world.account(1_000)
    await play(world, player)
    await next_round_is(world, 10_000)
    await play(world, player)
    await make_old(world)
    status, said = await say("list")
    assert status == 0
    assert all(words in said for words in ("tickets_rounds_0 ", "may be detached", "outside of rounds"))
    assert await say("make") == (0, "0 partitions made\n")
    status, said = await say("detach", "--rounds-before", "10000", "--dry-run")
    assert (status, said.count("would detach")) == (0, 4)
    assert (await bounds(world))["tickets"][0] == "rounds 1 to 9999"
    assert await say("detach", "--rounds-before", "500") == (0, "nothing is that old\n")
    status, said = await say("detach", "--rounds-before", "20000")
    assert status == 1
    assert 'pg_dump "$DATABASE_URL" --format=custom --table=tickets_rounds_0 --file=tickets_rounds_0.dump' in said
    assert "tickets_rounds_10000 stays: its rounds have not all been opened" in said
    for parent in BY_ROUND:
        await world.sql(f"ALTER TABLE {parent} ATTACH PARTITION {parent}_rounds_0 FOR VALUES FROM (1) TO (10000)")
