"""The hub lets watchers into the rooms of tracks that exist, and sees them out when the game goes away."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.engine.broadcast.hub import Hub
from tests.fakes.persist_store import FakePersist
from tests.fakes.virtual_clock import VirtualClock
from tests.rounds import TRACK


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    clock = VirtualClock()
    store = FakePersist(clock)
    await store.create_track(request_id="", track=TRACK)
    hub = Hub(
        rounds=store,
        tracks=store,
        tickets=store,
        clock=clock,
        encode=lambda _: b"",
        encode_own=lambda *_: b"",
        game="game",
        mailbox_frames_max=4,
    )
    yield hub
    await hub.close()


async def watch(hub: Hub, track: str, after: int = 0) -> None:
    async def write(frame: bytes) -> None:
        raise AssertionError("there was a frame")

    await hub.watch(track=track, after=after, update_interval_ms=100, tick_interval_ms=0, write=write)


async def test_a_track_that_does_not_exist_is_not_watched(hub: Hub) -> None:
    with pytest.raises(Refusal) as refused:
        await watch(hub, "nowhere")

    assert refused.value.reason == Reason.TRACK_NOT_FOUND
    assert hub._rooms == {}


async def test_a_watcher_is_told_where_to_resume_when_the_game_goes_away(hub: Hub) -> None:
    watching = asyncio.ensure_future(watch(hub, TRACK.track, after=41))
    for _ in range(20):
        await asyncio.sleep(0)
    hub.drain()

    with pytest.raises(Refusal) as refused:
        await watching
    assert refused.value.reason == Reason.DRAINING
    assert refused.value.metadata == {"after": "41"}
    assert refused.value.retry_in_ms


async def test_nobody_is_let_in_any_more_when_the_game_goes_away(hub: Hub) -> None:
    hub.drain()

    with pytest.raises(Refusal) as refused:
        await watch(hub, TRACK.track, after=5)
    assert refused.value.reason == Reason.DRAINING
    assert refused.value.metadata == {"after": "5"}


async def test_a_watcher_that_leaves_is_gone_from_its_room(hub: Hub) -> None:
    watching = asyncio.ensure_future(watch(hub, TRACK.track))
    for _ in range(20):
        await asyncio.sleep(0)
    assert hub.room(TRACK.track).watchers == 1
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert hub.room(TRACK.track).watchers == 0


async def test_the_metric_tells_who_watches_each_track(hub: Hub) -> None:
    assert list(hub.observe_watchers()) == []
    watching = asyncio.ensure_future(watch(hub, TRACK.track))
    for _ in range(20):
        await asyncio.sleep(0)
    told = [(each.value, each.attributes) for each in hub.observe_watchers()]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert told == [(1, {"furlong.track": TRACK.track})]
    assert [each.value for each in hub.observe_watchers()] == [0]
