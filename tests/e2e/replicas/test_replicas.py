"""Two replicas of everything: whichever is killed, no ticket is lost or doubled, every watcher sees every transition.

The parts are real, the load goes through the gateway, and the watchers watch each game itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import grpc
import pytest
from furlong.cache.v1.cache_service_pb2 import GetStatsRequest
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceStub
from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from redis.asyncio import Redis

from tests.e2e.books import Books
from tests.e2e.doors import GrpcDoor
from tests.e2e.load import PLACE_S, TICKETS_PER_CALL, Load, grown, orders_of, work
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SETTLE_S, SLOW, new_track, open_account, open_round, round_that_is
from tests.e2e.replicas.conftest import Leader
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, phases_of, watched
from tests.model import ledger

TIMETABLE = Timetable(betting_window_ms=4_000, lock_ms=500, race_ms=1_500, finish_ms=500)
WHOLE = [Round.OPEN, Round.LOCKED, Round.RUNNING, Round.FINISHED, Round.SETTLED]
LATE_S_MAX = 5.0
"""A lease of 3 s that was renewed just before its holder was killed, and the time to take over."""
BACK_TO_NORMAL_S = 2.0
LOAD_WORKERS = 4
ON_S = 15.0
FLUSH_EVERY_S = 0.5

Frames = list[WatchRoundsResponse]


@asynccontextmanager
async def loaded(client: Furlong, door: GrpcDoor, cashier: str, round_id: int) -> AsyncIterator[Load]:
    """Tickets keep being placed on a round, by players who each have an account, until the context ends."""
    load, done = Load(), asyncio.Event()
    accounts = [await open_account(door, cashier) for _ in range(LOAD_WORKERS)]
    async with asyncio.TaskGroup() as workers:
        for account_id in accounts:
            workers.create_task(work(client, round_id, account_id, load, done))
        await until(lambda: grown(load, 40), within_s=ON_S, what="the load is on")
        yield load
        done.set()


@asynccontextmanager
async def watched_at(games: Sequence[Furlong], track: str, update_interval_ms: int = 0) -> AsyncIterator[list[Frames]]:
    """What a watcher of the track at each game sees."""
    async with AsyncExitStack() as exits:
        yield [await exits.enter_async_context(watched(game, track, update_interval_ms)) for game in games]


async def seen_by_all(watchers: Sequence[Frames], phase: "Round.Phase.ValueType", round_id: int) -> bool:
    return all(phase in phases_of(frames, round_id) for frames in watchers)


async def assert_books_hold(two: PrivateStack, round_id: int, results: Sequence[TicketResult]) -> None:
    """What was acknowledged is stored, once, and nothing else; the ledger adds up."""
    async with Books.open(two.database_url) as books:
        stored, faults = await books.tickets(round_id), ledger.faults(*await books.ledger())
        late = await books.placed_after_the_lock(round_id)
    accepted = [result.request_id for result in results if result.verdict == TicketResult.ACCEPTED]
    assert sorted(ticket.ticket_id for ticket in stored) == sorted(accepted)
    assert late == 0
    assert faults == []


async def test_the_follower_moves_the_round_on_when_the_leader_is_killed_under_load(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], leader: Leader, cashier: str
) -> None:
    track = await new_track(two.stack, "led", TIMETABLE)
    opened = await open_round(door, track, left_s=2.5)
    round_id, locks_at = int(opened["round_id"]), datetime.fromisoformat(opened["locks_at"])
    led_by = leader.of(track)
    async with watched_at(games, track) as watchers, loaded(client, door, cashier, round_id) as load:
        await two.kill(led_by)
        survivor = watchers[["game-1", "game-2"].index(led_by) - 1]
        await until(lambda: seen_by_all([survivor], Round.LOCKED, round_id), within_s=15, what="somebody locked it")
        late_s = (datetime.now(UTC) - locks_at).total_seconds()
        await two.start(led_by)
        await until(lambda: seen_by_all(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")

    assert late_s <= LATE_S_MAX
    assert leader.of(track) != led_by
    assert {result.verdict for result in load.results} <= {TicketResult.ACCEPTED, TicketResult.BETTING_CLOSED}
    assert len(load.results) == load.calls * TICKETS_PER_CALL
    await assert_books_hold(two, round_id, load.results)
    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        assert phases_of(frames, round_id) == WHOLE


async def test_a_persist_that_is_killed_under_load_loses_nothing(
    two: PrivateStack, door: GrpcDoor, client: Furlong, cashier: str
) -> None:
    track = await new_track(two.stack, "stored", SLOW)
    round_id = int((await open_round(door, track))["round_id"])
    async with loaded(client, door, cashier, round_id) as load:
        for name in ("persist-1", "persist-2"):
            await two.kill(name)
            at_kill = len(load.results)
            await until(lambda: grown(load, at_kill + 40), within_s=PLACE_S, what="the other one takes tickets")  # noqa: B023 - awaited in the loop
            await two.start(name)

    assert {result.verdict for result in load.results} == {TicketResult.ACCEPTED}
    await assert_books_hold(two, round_id, load.results)


async def test_a_game_that_is_killed_costs_its_callers_nothing_but_time(
    two: PrivateStack, door: GrpcDoor, client: Furlong, cashier: str
) -> None:
    track = await new_track(two.stack, "played", SLOW)
    round_id = int((await open_round(door, track))["round_id"])
    async with loaded(client, door, cashier, round_id) as load:
        await two.kill("game-2")
        at_kill = len(load.results)
        await until(lambda: grown(load, at_kill + 40), within_s=PLACE_S, what="the other one takes tickets")
        await two.start("game-2")

    assert {result.verdict for result in load.results} == {TicketResult.ACCEPTED}
    await assert_books_hold(two, round_id, load.results)


async def test_totals_reach_the_watchers_of_the_other_game(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong], cashier: str
) -> None:
    track = await new_track(two.stack, "told", SLOW)
    round_id = int((await open_round(door, track))["round_id"])
    account_id = await open_account(door, cashier)
    for placed_at, told_at in ((0, 1), (1, 0)):
        address = two.stack.addresses.game.split(",")[placed_at]
        seen: list[int] = []
        async with asyncio.timeout(5), connect(address, token=cashier) as game:
            frames = games[told_at].rounds.watch(track, update_interval_ms=100)
            seen.append((await anext(frames)).round.totals.tickets)
            await game.tickets.place(round_id, orders_of(account_id, 3))
            began_s = time.monotonic()
            while seen[-1] < seen[0] + 3:
                seen.append((await anext(frames)).round.totals.tickets)
            await frames.aclose()
        assert time.monotonic() - began_s < 1.0


async def next_is_open(watchers: Sequence[Frames], round_id: int) -> bool:
    return all(frames and frames[-1].round.round_id > round_id for frames in watchers)


@pytest.mark.parametrize("how", ["killed", "flushed"])
async def test_a_round_without_redis_gives_the_same_answers_and_shows_the_same_transitions(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], cashier: str, how: str
) -> None:
    track = await new_track(two.stack, "plain", TIMETABLE)
    round_id = int((await open_round(door, track, left_s=2.5))["round_id"])
    before = await answers(client, track, round_id)
    async with watched_at(games, track) as watchers:
        async with loaded(client, door, cashier, round_id) as load:
            await two.kill("redis")
            if how == "flushed":
                await two.start("redis")  # it comes back empty
            await until(lambda: seen_by_all(watchers, Round.LOCKED, round_id), within_s=10, what="all see the lock")
        await until(lambda: seen_by_all(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")
        during = await answers(client, track, round_id)
        next_id = int((await open_round(door, track, left_s=0.5))["round_id"])

        await two.start("redis")
        await until(lambda: redis_is_up(two), within_s=BACK_TO_NORMAL_S, what="both caches have Redis again")
        await round_that_is(door, str(next_id), "SETTLED", within_s=SETTLE_S)
        await until(lambda: seen_by_all(watchers, Round.SETTLED, next_id), within_s=2, what="all see the next end")

    assert during == before
    assert {result.verdict for result in load.results} <= {TicketResult.ACCEPTED, TicketResult.BETTING_CLOSED}
    await assert_books_hold(two, round_id, load.results)
    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        assert phases_of(frames, round_id) == WHOLE
        assert phases_of(frames, next_id) == WHOLE


async def test_a_redis_that_forgets_everything_twice_a_second_changes_no_answer_and_hides_no_transition(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], cashier: str
) -> None:
    track = await new_track(two.stack, "forgetful", TIMETABLE)
    earlier_id = int((await open_round(door, track, left_s=0.5))["round_id"])
    before = await answers(client, track, earlier_id)
    async with watched_at(games, track) as watchers, flushed(two) as flushes:
        await until(lambda: next_is_open(watchers, earlier_id), within_s=10, what="the next round opens")
        round_id = watchers[0][-1].round.round_id
        async with loaded(client, door, cashier, round_id) as load:
            await until(lambda: seen_by_all(watchers, Round.LOCKED, round_id), within_s=10, what="all see the lock")
        await until(lambda: seen_by_all(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")
        for game in games:
            assert await answers(game, track, earlier_id) == before

    assert len(flushes) > TIMETABLE.betting_window_ms / 1000 / FLUSH_EVERY_S
    assert load.failed_first == 0
    assert {result.verdict for result in load.results} <= {TicketResult.ACCEPTED, TicketResult.BETTING_CLOSED}
    await assert_books_hold(two, round_id, load.results)
    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        assert phases_of(frames, round_id) == WHOLE


@asynccontextmanager
async def flushed(two: PrivateStack) -> AsyncIterator[list[float]]:
    """Redis forgets everything, again and again; when it did so."""
    flushes: list[float] = []

    async def flush() -> None:
        async with Redis.from_url(two.stack.addresses.redis_url) as redis:
            while True:
                await redis.flushall()
                flushes.append(time.monotonic())
                await asyncio.sleep(FLUSH_EVERY_S)

    flushing = asyncio.create_task(flush())
    try:
        yield flushes
        assert not flushing.done(), "Redis cannot be flushed"
    finally:
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)


async def answers(client: Furlong, track: str, round_id: int) -> tuple[object, ...]:
    """What does not change while a round is run."""
    round_ = await client.rounds.get(round_id)
    listed = [each.round_id for each in (await client.rounds.list(track, page_size=100)).rounds]
    return await client.tracks.get(track), round_.commitment, list(round_.runners), round_id in listed


async def redis_is_up(two: PrivateStack) -> bool:
    token = People(two.stack).service
    states = []
    for cache in two.stack.addresses.cache.split(","):
        async with grpc.aio.insecure_channel(cache, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            metadata = (("authorization", f"Bearer {token}"),)
            stats = await CacheServiceStub(channel).GetStats(GetStatsRequest(), metadata=metadata)
            states.append(stats.redis)
    return states == ["up"] * len(states)


async def test_nobody_notices_that_metrics_and_one_cache_are_killed(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], cashier: str
) -> None:
    track = await new_track(two.stack, "unmeasured", TIMETABLE)
    round_id = int((await open_round(door, track, left_s=2.5))["round_id"])
    async with watched_at(games, track) as watchers:
        async with loaded(client, door, cashier, round_id) as load:
            await two.kill("metrics")
            await two.kill("cache-1")
            await until(lambda: seen_by_all(watchers, Round.LOCKED, round_id), within_s=10, what="all see the lock")
        await until(lambda: seen_by_all(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")
    await two.start("metrics")
    await two.start("cache-1")

    assert load.failed_first == 0
    await assert_books_hold(two, round_id, load.results)
    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        assert phases_of(frames, round_id) == WHOLE
