"""Two games: a result may be entered at either, whoever leads the track, and whoever has died meanwhile."""

from datetime import UTC, datetime

from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Program, Round, Source, Timetable

from tests.e2e.doors import GrpcDoor
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SETTLE_S, moment, new_track, open_round, round_that_is
from tests.e2e.replicas.conftest import Leader
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, phases_of, watched

ENTERED = Program(source=Source.ENTERED)
BRIEF = Timetable(betting_window_ms=1_500, lock_ms=100, race_ms=300, finish_ms=300)
ORDER = [3, 1, 5, 2, 4]
TOLD_S = 3.0
"""Sooner than the five seconds after which a game looks by itself."""


async def awaiting(door: GrpcDoor, track: str) -> int:
    """A round of the track that waits for its result, and for nothing else."""
    opened = await open_round(door, track, left_s=0)

    async def has_its_time_come() -> bool:
        return datetime.now(UTC) > moment(opened["starts_at"])

    await round_that_is(door, opened["round_id"], "LOCKED")
    await until(has_its_time_come, within_s=SETTLE_S, what="the race would start")
    return int(opened["round_id"])


async def test_a_result_that_is_entered_at_the_game_that_does_not_lead_is_seen_and_followed_at_both(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong], leader: Leader
) -> None:
    track = await new_track(two.stack, "seen", BRIEF, program=ENTERED)
    round_id = await awaiting(door, track)
    addresses = two.stack.addresses.game.split(",")
    follower = addresses[["game-1", "game-2"].index(leader.of(track)) - 1]
    async with watched(games[0], track) as one, watched(games[1], track) as other:
        async with connect(follower, token=People(two.stack).operator) as operated:
            await operated.tracks.enter_result(round_id, ORDER, "seen at the rails", positions=[1, 1, 3, 4, 5])

        async def is_over() -> bool:
            return all(Round.FINISHED in phases_of(frames, round_id) for frames in (one, other))

        await until(is_over, within_s=TOLD_S, what="the leader was told and both games show the end")

    for frames in (one, other):
        assert_every_transition_once_and_in_order(frames)
        running = next(frame.round for frame in frames if frame.round.phase == Round.RUNNING)
        assert (list(running.result), list(running.positions)) == (ORDER, [1, 1, 3, 4, 5])


async def test_a_round_goes_on_waiting_when_its_leader_is_killed_and_ends_when_the_result_comes(
    two: PrivateStack, door: GrpcDoor, leader: Leader
) -> None:
    track = await new_track(two.stack, "waits", BRIEF, program=ENTERED)
    round_id = await awaiting(door, track)
    led_by = leader.of(track)
    await two.kill(led_by)

    async def is_led_by_the_other() -> bool:
        return leader.of(track) != led_by

    await until(is_led_by_the_other, within_s=SETTLE_S, what="the other game leads")
    waiting = await round_that_is(door, str(round_id), "LOCKED")
    async with connect(two.gateway, token=People(two.stack).operator) as operated:
        started = await operated.tracks.enter_result(round_id, ORDER, "seen at the rails")
    settled = await round_that_is(door, str(round_id), "SETTLED", within_s=SETTLE_S)
    await two.start(led_by)

    assert (waiting["result"], started.phase) == ([], Round.RUNNING)
    assert settled["result"] == ORDER
