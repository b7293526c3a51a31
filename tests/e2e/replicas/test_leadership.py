"""A track changes hands: drained, killed or paused, its leader costs no transition, and none comes twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime

from furlong.client import Furlong
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from tests.e2e.books import Books
from tests.e2e.doors import Answer, GrpcDoor
from tests.e2e.load import orders_of
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SETTLE_S, moment, new_track, open_account, open_round
from tests.e2e.replicas.conftest import Leader
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, phases_of, watched
from tests.model import ledger

TIMETABLE = Timetable(betting_window_ms=3_000, lock_ms=500, race_ms=1_500, finish_ms=500)
WHOLE = [Round.OPEN, Round.LOCKED, Round.RUNNING, Round.FINISHED, Round.SETTLED]
HANDED_OVER_S_MAX = 2.0
"""Generous, on a busy machine; `python -m benchmarks.handover` says what it is."""
TAKEN_OVER_S_MAX = 5.0
"""A lease of 3 s that was renewed just before its holder was stopped, and the time to take over."""
BEFORE_S = 0.15
"""How long before its time the leader of a transition is stopped."""
TICKETS = 20
BACK_S = 6.0
"""Two leases: if the game that was paused were to do anything, it would have done it by then."""

Frames = list[WatchRoundsResponse]


@asynccontextmanager
async def watched_at(games: Sequence[Furlong], track: str) -> AsyncIterator[list[Frames]]:
    """What a watcher of the track at each game sees."""
    async with AsyncExitStack() as exits:
        yield [await exits.enter_async_context(watched(game, track)) for game in games]


async def seen(watchers: Sequence[Frames], phase: "Round.Phase.ValueType", round_id: int) -> bool:
    return all(phase in phases_of(frames, round_id) for frames in watchers)


async def just_before_the_lock(opened: Answer) -> None:
    """Wait for the moment before the round locks."""
    await asyncio.sleep((moment(opened["locks_at"]) - datetime.now(UTC)).total_seconds() - BEFORE_S)


async def lateness_s(two: PrivateStack, track: str, opened: Answer) -> float:
    """How late the round locked, by the database's clock. Every transition of the track is stored once and in order."""
    async with Books.open(two.database_url) as books:
        stored = await books.transitions(track)
        locked_at = await books.came_at(int(opened["round_id"]), Round.LOCKED)
    assert [number for number, *_ in stored] == list(range(1, len(stored) + 1))
    steps = [(round_id, phase) for _, round_id, phase in stored]
    assert len(set(steps)) == len(steps), "a transition was made twice"
    for round_id in {round_id for round_id, _ in steps}:
        phases = [phase for each, phase in steps if each == round_id]
        assert phases == WHOLE[: len(phases)]
    return (locked_at - moment(opened["locks_at"])).total_seconds()


async def assert_books_balance(two: PrivateStack) -> None:
    async with Books.open(two.database_url) as books:
        assert ledger.faults(*await books.ledger()) == []


@contextmanager
def paused(two: PrivateStack, name: str) -> Iterator[None]:
    """The part stands still, as on a machine that is asleep, and then goes on as if nothing had been."""
    pid = two.stack.part(name).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_leader_that_is_drained_hands_over_and_no_transition_is_missed(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], leader: Leader, cashier: str
) -> None:
    track = await new_track(two.stack, "drained", TIMETABLE)
    account_id = await open_account(door, cashier)
    async with watched_at(games, track) as watchers:
        for _ in range(2):
            opened = await open_round(door, track, left_s=2.0)
            round_id = int(opened["round_id"])
            await client.tickets.place(round_id, orders_of(account_id, TICKETS))
            led_by = leader.of(track)
            await just_before_the_lock(opened)
            await two.stop(led_by)
            survivor = watchers[["game-1", "game-2"].index(led_by) - 1]
            await until(lambda: seen([survivor], Round.SETTLED, round_id), within_s=SETTLE_S, what="it is settled")  # noqa: B023 - awaited in the loop
            await two.start(led_by)
            await until(lambda: seen(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")  # noqa: B023 - awaited in the loop

            assert leader.of(track) != led_by
            assert await lateness_s(two, track, opened) <= HANDED_OVER_S_MAX

    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        for round_id in sorted({frame.round.round_id for frame in frames})[1:-1]:
            assert phases_of(frames, round_id) == WHOLE
    await assert_books_balance(two)


async def test_a_leader_that_is_killed_is_followed_within_seconds(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong], leader: Leader
) -> None:
    track = await new_track(two.stack, "killed", TIMETABLE)
    async with watched_at(games, track) as watchers:
        opened = await open_round(door, track, left_s=2.0)
        led_by, round_id = leader.of(track), int(opened["round_id"])
        await just_before_the_lock(opened)
        await two.kill(led_by)
        survivor = watchers[["game-1", "game-2"].index(led_by) - 1]
        await until(lambda: seen([survivor], Round.SETTLED, round_id), within_s=SETTLE_S, what="it is settled")
        await two.start(led_by)
        await until(lambda: seen(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")

    assert leader.of(track) != led_by
    assert await lateness_s(two, track, opened) <= TAKEN_OVER_S_MAX
    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        assert phases_of(frames, round_id) == WHOLE


async def test_a_leader_that_was_paused_changes_nothing_when_it_comes_back(
    two: PrivateStack, door: GrpcDoor, client: Furlong, games: list[Furlong], leader: Leader, cashier: str
) -> None:
    track = await new_track(two.stack, "paused", TIMETABLE)
    account_id = await open_account(door, cashier)
    async with watched_at(games, track) as watchers:
        opened = await open_round(door, track, left_s=2.0)
        round_id = int(opened["round_id"])
        await client.tickets.place(round_id, orders_of(account_id, TICKETS))
        await just_before_the_lock(opened)
        led_by = leader.of(track)
        survivor = watchers[["game-1", "game-2"].index(led_by) - 1]
        with paused(two, led_by):
            await until(lambda: seen([survivor], Round.RUNNING, round_id), within_s=SETTLE_S, what="it runs")
        led_next = leader.of(track)
        await until(lambda: seen(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="all see its end")
        await asyncio.sleep(BACK_S)
        led_last = leader.of(track)

    assert led_next != led_by
    assert led_last == led_next
    assert await lateness_s(two, track, opened) <= TAKEN_OVER_S_MAX
    for frames in watchers:
        assert_every_transition_once_and_in_order(frames)
        assert phases_of(frames, round_id) == WHOLE
    await assert_books_balance(two)
