"""The database dies, freezes and goes away under the writer: nothing acknowledged is lost, nothing is doubled."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence

import grpc
from furlong.client.identity import uuid7
from furlong.persist.v1.ledger_service_pb2 import CreditAccountRequest
from furlong.persist.v1.ticket_store_service_pb2 import TicketAppend, TicketVerdict

from deploy.local.postgres import PostgresServer
from tests.crashing import Stopwatch
from tests.persisting import World, eventually, order, verdicts
from tests.served import refused

WRITER = "application_name = 'furlong-persist-writer'"
BACK_AFTER_CRASH_S = 5.0


class Bettors:
    """Places tickets without pause until told to stop, each call until its answer is definite."""

    def __init__(self, world: World, account_id: str, round_id: int, how_many: int = 4) -> None:
        self._world = world
        self._account_id = account_id
        self._round_id = round_id
        self._stop = False
        self.answered: list[tuple[TicketAppend, TicketVerdict]] = []
        self._tasks = [asyncio.create_task(self._bet()) for _ in range(how_many)]

    async def _bet(self) -> None:
        while not self._stop:
            orders = [order(self._account_id, 1) for _ in range(5)]
            answers = await self._world.place_for_certain(self._round_id, *orders)
            self.answered += zip(orders, answers, strict=True)

    async def stop(self) -> None:
        """Wait for the last answers."""
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def check(self) -> None:
        """All answers are kept, each ticket is there once, and each answer is given again."""
        assert set(verdicts([answer for _, answer in self.answered])) <= {"ACCEPTED", "ACCEPTED*"}
        stored = await self._world.sql("SELECT ticket_id::text FROM tickets")
        assert sorted(row["ticket_id"] for row in stored) == sorted(each.request_id for each, _ in self.answered)
        asked = [each for each, _ in self.answered][-400:]
        assert set(verdicts(await self._world.place(self._round_id, *asked))) == {"ACCEPTED*"}


async def test_terminated_connections_lose_and_double_nothing(world: World) -> None:
    player = await world.account(1_000_000)
    round_id = (await world.open()).round.round_id
    bettors = Bettors(world, player, round_id)
    for _ in range(25):
        await asyncio.sleep(0.04)
        await world.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WRITER}")
    await bettors.stop()
    await bettors.check()
    assert world.stubs.alive()


async def test_a_database_killed_under_load_comes_back_with_everything_acknowledged(
    world: World, postgres: PostgresServer
) -> None:
    player = await world.account(1_000_000)
    round_id = (await world.open()).round.round_id
    bettors = Bettors(world, player, round_id)
    for _ in range(3):
        before = len(bettors.answered)
        await eventually(lambda before=before: _true(len(bettors.answered) > before + 50))
        postgres.kill()
        postgres.start()
        recovered = Stopwatch()
        after = len(bettors.answered)
        await eventually(lambda after=after: _true(len(bettors.answered) > after))
        outage = recovered.outage("PostgreSQL killed", time.monotonic(), BACK_AFTER_CRASH_S)
        assert not outage.is_too_long, str(outage)
    await bettors.stop()
    await bettors.check()


async def test_while_the_database_is_away_calls_fail_fast_and_the_service_lives_but_is_not_ready(
    world: World, postgres: PostgresServer
) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    assert world.stubs.ready()
    postgres.stop()
    asked = order(player, 1)
    for call in (world.append(round_id, asked), world.stubs.rounds.LockRound(world.lock_request(round_id))):
        asking = Stopwatch()
        told = await refused(call)
        assert (told.reason, told.code) == ("DEPENDENCY_DOWN", grpc.StatusCode.UNAVAILABLE)
        answer = asking.outage("a refusal", time.monotonic(), 2)
        assert not answer.is_too_long, str(answer)
    await eventually(lambda: _true(not world.stubs.ready()))
    assert world.stubs.alive()
    postgres.start()
    assert verdicts(await world.place_for_certain(round_id, asked)) == ["ACCEPTED"]
    await eventually(lambda: _true(world.stubs.ready()))


async def test_a_commit_whose_answer_is_lost_is_unknown_and_the_same_id_tells_which(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 1))
    asked = order(player, 1)
    # A standby that never answers: the commit is on disk, and its answer does not come.
    await world.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await world.sql("SELECT pg_reload_conf()")
    try:
        call = asyncio.create_task(refused(world.append(round_id, asked)))
        await eventually(lambda: _rows(world, f"{WRITER} AND wait_event = 'SyncRep'"))
        await world.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {WRITER}")
        told = await call
        assert (told.reason, told.code) == ("OUTCOME_UNKNOWN", grpc.StatusCode.UNAVAILABLE)
    finally:
        await world.sql("SET synchronous_commit = local")
        await world.sql("ALTER SYSTEM RESET synchronous_standby_names")
        await world.sql("SELECT pg_reload_conf()")
    assert verdicts(await world.place_for_certain(round_id, asked)) == ["ACCEPTED*"]
    assert await world.balance_minor(player) == 998


async def test_a_lost_answer_to_a_commit_is_unknown_outside_of_placing_too(world: World) -> None:
    player = await world.account(1_000)
    credit = CreditAccountRequest(
        request_id=uuid7(), account_id=player, amount_minor=5, reason="cash at the till", actor="tests"
    )
    waiting = "application_name = 'furlong-persist-general' AND wait_event = 'SyncRep'"
    await world.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await world.sql("SELECT pg_reload_conf()")
    try:
        call = asyncio.create_task(refused(world.stubs.ledger.CreditAccount(credit)))
        await eventually(lambda: _rows(world, waiting))
        await world.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {waiting}")
        assert (await call).reason == "OUTCOME_UNKNOWN"
    finally:
        await world.sql("SET synchronous_commit = local")
        await world.sql("ALTER SYSTEM RESET synchronous_standby_names")
        await world.sql("SELECT pg_reload_conf()")
    await world.stubs.ledger.CreditAccount(credit)
    assert await world.balance_minor(player) == 1_005


async def test_a_frozen_writer_connection_is_given_up_and_replaced(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 1))
    pids = [row["pid"] for row in await world.sql(f"SELECT pid FROM pg_stat_activity WHERE {WRITER}")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    asked = order(player, 1)
    try:
        async with asyncio.timeout(30):
            # A call whose deadline ends before its answer is made again, and may find itself answered.
            assert set(verdicts(await world.place_for_certain(round_id, asked))) <= {"ACCEPTED", "ACCEPTED*"}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert verdicts(await world.place(round_id, asked)) == ["ACCEPTED*"]
    assert await world.balance_minor(player) == 998


async def test_a_database_that_takes_no_writes_refuses_and_stores_nothing(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 1)
    await world.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    await world.sql("SELECT pg_reload_conf()")
    try:
        await eventually(lambda: _fails(world, round_id))
        assert (await refused(world.append(round_id, asked))).reason == "DEPENDENCY_DOWN"
    finally:
        await world.sql("ALTER SYSTEM RESET default_transaction_read_only")
        await world.sql("SELECT pg_reload_conf()")
    assert verdicts(await world.place_for_certain(round_id, asked)) == ["ACCEPTED"]


async def _true(value: bool) -> bool:
    return value


async def _rows(world: World, condition: str) -> bool:
    found: Sequence[object] = await world.sql(f"SELECT 1 FROM pg_stat_activity WHERE {condition}")
    return bool(found)


async def _fails(world: World, round_id: int) -> bool:
    try:
        await world.place(round_id, order("00000000-0000-7000-8000-000000000000", 1))
    except grpc.aio.AioRpcError:
        return True
    return False
