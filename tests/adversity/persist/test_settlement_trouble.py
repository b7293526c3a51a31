"""The database goes away under a posting: every chunk is posted once, and everybody is paid once."""

import asyncio
import time

import grpc
import pytest
from furlong.common.v1.round_pb2 import Round
from furlong.persist.v1.round_store_service_pb2 import PostSettlementRequest, StoredRound

from deploy.local.postgres import PostgresServer
from services.persist.adapters.postgres import deciding
from tests.persisting import World, order

TRANSITIONS = "application_name = 'furlong-persist-transitions'"
TICKETS = 120


@pytest.fixture(autouse=True)
def chunks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: 2)


async def sold(world: World, player: str) -> int:
    """A round whose settlement is decided; every second ticket has won."""
    round_id = (await world.open()).round.round_id
    for _ in range(TICKETS // 20):
        await world.place(round_id, *(order(player, 10, runner=1 + n % 2) for n in range(20)))
    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    return round_id


async def post_for_certain(world: World, round_id: int) -> StoredRound:
    """Post until nothing is left, whatever goes wrong meanwhile."""
    while True:
        try:
            response = await world.stubs.rounds.PostSettlement(PostSettlementRequest(round_id=round_id))
        except grpc.aio.AioRpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)  # noqa: PT017 - or none
            await asyncio.sleep(0.02)
            continue
        stored: StoredRound = response.stored
        if not stored.posting:
            return stored


async def check(world: World, player: str, settled: StoredRound) -> None:
    assert settled.round.phase == Round.SETTLED
    assert await world.balance_minor(player) == 100_000 - TICKETS * 10 + TICKETS // 2 * 23
    rows = await world.sql(
        "SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM postings) AS postings"
    )
    assert tuple(rows[0]) == (TICKETS // 2, TICKETS // 2)
    await world.check_books()


async def test_terminated_connections_pay_nobody_twice_and_nobody_not(world: World) -> None:
    player = await world.account(100_000)
    round_id = await sold(world, player)
    posting = asyncio.create_task(post_for_certain(world, round_id))
    cut = 0
    while not posting.done():
        await world.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {TRANSITIONS}")
        cut += 1
        await asyncio.sleep(0.05)
    assert cut > 1
    await check(world, player, await posting)


async def test_a_database_killed_while_chunks_are_posted_goes_on_with_the_next_one(
    world: World, postgres: PostgresServer
) -> None:
    player = await world.account(100_000)
    round_id = await sold(world, player)
    posting = asyncio.create_task(post_for_certain(world, round_id))
    await asyncio.sleep(0.1)
    postgres.kill()
    postgres.start()
    back_s = time.monotonic()
    await check(world, player, await posting)
    assert time.monotonic() - back_s < 30
