"""Two games: a ticket sold at one is told to its watcher at the other, where a terminal is seen by the first."""

import asyncio
from contextlib import AsyncExitStack, aclosing

from furlong.client import Furlong, connect
from furlong.common.v1.ticket_pb2 import Line, TicketOrder
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from tests.e2e.doors import GrpcDoor
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SLOW, fresh_id, new_track, open_account, open_round
from tests.e2e.waiting import until

TOLD_S = 4.0
"""Less than the five seconds after which a game would find it in the store by itself; presence beats every two."""


async def test_what_happens_at_one_game_is_told_at_the_other(two: PrivateStack, door: GrpcDoor) -> None:
    track = await new_track(two.stack, "own", SLOW)
    people = People(two.stack)
    account_id = await open_account(door, people.cashier)
    round_id = int((await open_round(door, track))["round_id"])
    async with AsyncExitStack() as exits:
        here, there = [
            await exits.enter_async_context(connect(game, token=people.everything))
            for game in two.stack.addresses.game.split(",")
        ]
        watching = there.rounds.watch(track, accounts=[account_id], terminal="till-4")
        frames = await exits.enter_async_context(aclosing(watching))

        async def told() -> list[str]:
            async with asyncio.timeout(TOLD_S):
                async for frame in frames:
                    if frame.kind == WatchRoundsResponse.OWN:
                        return [ticket.ticket_id for ticket in frame.own.tickets]
            raise AssertionError("a watch has no end of its own")

        assert await told() == []
        line = Line(market=Line.WIN, runners=[1], stake_minor=100)
        order = TicketOrder(request_id=fresh_id(), account_id=account_id, lines=[line])
        await here.tickets.place(round_id, [order])
        assert await told() == [order.request_id]
        await until(lambda: _is_seen(here, track), within_s=TOLD_S, what="the terminal is seen at the other game")


async def _is_seen(game: Furlong, track: str) -> bool:
    presence = await game.tracks.presence(track)
    return [each.terminal for each in presence.terminals] == ["till-4"]
