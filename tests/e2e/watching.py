"""Watching a track through everything, and what a watcher must have seen."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from furlong.client import Furlong
from furlong.common.v1.round_pb2 import Round
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse


@asynccontextmanager
async def watched(
    client: Furlong, track: str, update_interval_ms: int = 0, accounts: Sequence[str] = ()
) -> AsyncIterator[list[WatchRoundsResponse]]:
    """Everything that a watcher of the track gets, from now on."""
    frames: list[WatchRoundsResponse] = []

    async def watch() -> None:
        watching = client.rounds.watch(track, update_interval_ms=update_interval_ms, accounts=accounts)
        async with aclosing(watching) as stream:
            async for frame in stream:
                frames.append(frame)

    watcher = asyncio.create_task(watch())
    try:
        yield frames
        assert not watcher.done(), "the watcher gave up"
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


def phases_of(frames: list[WatchRoundsResponse], round_id: int) -> list["Round.Phase.ValueType"]:
    """The phases that the watcher saw the round come into; its first frame stands for the transition before it."""
    came_into: list[Round.Phase.ValueType] = []
    for position, frame in enumerate(frames):
        is_transition = frame.kind == WatchRoundsResponse.TRANSITION or position == 0
        if is_transition and frame.round.round_id == round_id:
            came_into.append(frame.round.phase)
    return came_into


def assert_every_transition_once_and_in_order(frames: list[WatchRoundsResponse]) -> None:
    assert frames[0].kind == WatchRoundsResponse.UPDATE
    transitions = [frame for frame in frames if frame.kind == WatchRoundsResponse.TRANSITION]
    numbers = [frame.transition_seq for frame in transitions]
    first = frames[0].transition_seq + 1
    assert numbers == list(range(first, first + len(numbers)))
    assert all(frame.round.transition_seq == frame.transition_seq for frame in transitions)
    assert all(frame.kind != WatchRoundsResponse.GAP for frame in frames)
