"""What people do at one game both of them show and obey: a round is void, a ticket taken back, a track stopped."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Round

from tests.e2e.doors import GrpcDoor
from tests.e2e.load import orders_of
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SETTLE_S, SLOW, new_track, open_account, open_round
from tests.e2e.replicas.conftest import LOOK_S
from tests.e2e.replicas.test_replicas import TIMETABLE, Frames, next_is_open, seen_by_all, watched_at
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order

STANDSTILL_S = 3.0
UPDATE_MS = 100


async def at_either(
    two: PrivateStack, door: GrpcDoor, games: Sequence[Furlong], track: str
) -> AsyncIterator[tuple[Furlong, Sequence[Frames], int]]:
    """An operator at one game and then at the other, what watchers of both see, and the open round.

    In the end every transition was seen once and in order.
    """
    operator = People(two.stack).operator
    for address in two.stack.addresses.game.split(","):
        round_id = int((await open_round(door, track))["round_id"])
        async with watched_at(games, track) as watchers, connect(address, token=operator) as game:
            yield game, watchers, round_id
        for frames in watchers:
            assert_every_transition_once_and_in_order(frames)


async def test_a_void_at_either_game_opens_the_next_round(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong]
) -> None:
    track = await new_track(two.stack, "void", SLOW)
    async for game, watchers, round_id in at_either(two, door, games, track):
        await game.tracks.void_round(round_id, "test")
        await until(lambda: next_is_open(watchers, round_id), within_s=3, what="the next round opens")  # noqa: B023 - awaited in the loop


async def test_a_cancelled_ticket_leaves_the_totals_that_either_game_shows(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong], cashier: str
) -> None:
    track = await new_track(two.stack, "taken", SLOW)
    round_id = int((await open_round(door, track))["round_id"])
    account_id = await open_account(door, cashier)
    for address in two.stack.addresses.game.split(","):
        async with watched_at(games, track, UPDATE_MS) as watchers, connect(address, token=cashier) as game:
            [kept, taken] = await game.tickets.place(round_id, orders_of(account_id, 2))
            await until(lambda: shows(watchers, 2), within_s=3, what="both games show two tickets")
            await game.tickets.cancel(taken.request_id, "wrong runner")
            await until(lambda: shows(watchers, 1), within_s=LOOK_S, what="both games show one ticket")
            await game.tickets.cancel(kept.request_id, "wrong runner")
            await until(lambda: shows(watchers, 0), within_s=LOOK_S, what="both games show no ticket")


async def shows(watchers: Sequence[Frames], tickets: int) -> bool:
    return all(frames and frames[-1].round.totals.tickets == tickets for frames in watchers)


async def test_a_track_that_either_game_stops_and_resumes_stands_still_and_goes_on(
    two: PrivateStack, door: GrpcDoor, games: list[Furlong]
) -> None:
    track = await new_track(two.stack, "stopped", TIMETABLE)
    async for game, watchers, round_id in at_either(two, door, games, track):
        await game.tracks.pause(track, "test")
        await until(lambda: seen_by_all(watchers, Round.SETTLED, round_id), within_s=SETTLE_S, what="it ends")  # noqa: B023 - awaited in the loop
        await asyncio.sleep(STANDSTILL_S)
        assert not await next_is_open(watchers, round_id)
        await game.tracks.resume(track, "test")
        await until(lambda: next_is_open(watchers, round_id), within_s=LOOK_S, what="it goes on")  # noqa: B023 - awaited in the loop
