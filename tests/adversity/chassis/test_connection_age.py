"""A connection that grows old is given up for a new one, so that clients meet new replicas; no call fails by it."""

import asyncio
from typing import Any

from furlong.game.v1 import round_service_pb2 as pb2

from tests.served import config, host_rounds, serving

AGE_MS = 300
LONG_ENOUGH_S = 2.0


class Desk:
    """Notes over which connections it was called."""

    def __init__(self) -> None:
        self.peers: set[str] = set()
        self.end = asyncio.Event()

    async def get(self, _: Any, context: Any) -> Any:
        self.peers.add(context.peer())
        return pb2.GetRoundResponse()

    async def watch(self, _: Any, context: Any) -> None:
        await context.write(pb2.WatchRoundsResponse(transition_seq=1))
        await self.end.wait()
        await context.write(pb2.WatchRoundsResponse(transition_seq=2))


async def test_calls_move_to_a_new_connection_and_streams_stay() -> None:
    desk = Desk()
    hosted = host_rounds(GetRound=desk.get, WatchRounds=desk.watch)
    async with serving(hosted, settings=config(connection_age_ms=AGE_MS)) as served:
        stream = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
        assert await stream.read() == pb2.WatchRoundsResponse(transition_seq=1)

        until_s = asyncio.get_running_loop().time() + LONG_ENOUGH_S
        while asyncio.get_running_loop().time() < until_s:
            await served.rounds.GetRound(pb2.GetRoundRequest(round_id=1), timeout=5)
            await asyncio.sleep(0.01)

        assert len(desk.peers) > 1
        desk.end.set()
        assert await stream.read() == pb2.WatchRoundsResponse(transition_seq=2)


async def test_a_connection_stays_where_it_may_grow_old() -> None:
    desk = Desk()
    async with serving(host_rounds(GetRound=desk.get)) as served:
        for _ in range(20):
            await served.rounds.GetRound(pb2.GetRoundRequest(round_id=1), timeout=5)
            await asyncio.sleep(0.05)

        assert len(desk.peers) == 1
