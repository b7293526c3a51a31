"""WatchRounds over real gRPC: breaks, slow readers, a server that goes away, a crowd."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
import pytest
from furlong.common.v1.round_pb2 import Round
from furlong.game.v1.round_service_pb2 import WatchRoundsRequest, WatchRoundsResponse
from furlong.game.v1.round_service_pb2_grpc import RoundServiceStub

from services.game.domain.phase import Phase
from services.game.domain.track import Timetable
from tests.gaming import playing
from tests.loopback import until
from tests.rounds import TRACK, stored_round
from tests.served import Served, read_refusal, refused

FAST = Timetable(betting_window_ms=200, lock_ms=50, race_ms=100, finish_ms=50)
SLOW = Timetable(betting_window_ms=60_000, lock_ms=50, race_ms=100, finish_ms=50)


async def watch(served: Served, after: int = 0) -> AsyncGenerator[WatchRoundsResponse, None]:
    """Frames until the caller has had enough, or the server ends them."""
    call = served.rounds.WatchRounds(WatchRoundsRequest(track=TRACK.track, after=after))
    try:
        async for frame in call:
            yield frame
    finally:
        call.cancel()


async def read_to_the_end(call: "grpc.aio.UnaryStreamCall[WatchRoundsRequest, WatchRoundsResponse]") -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_frames_come_as_the_round_goes_on() -> None:
    frames: list[WatchRoundsResponse] = []
    async with playing(timetable=FAST) as (_, served), aclosing(watch(served)) as watching:
        async for frame in watching:
            frames.append(frame)
            if frame.transition_seq >= 12:
                break

    transitions = [frame for frame in frames if frame.kind == WatchRoundsResponse.TRANSITION]
    numbers = [frame.transition_seq for frame in transitions]
    assert numbers == list(range(numbers[0], 13))
    assert all(frame.round.screen for frame in frames)
    by_phase = {Round.OPEN: Round.GAME, Round.LOCKED: Round.GAME, Round.RUNNING: Round.MOVIE}
    assert all(frame.round.screen == by_phase.get(frame.round.phase, Round.FINISH) for frame in frames)
    assert all(bool(frame.round.result) == (frame.round.phase >= Round.RUNNING) for frame in frames)


async def test_a_watcher_that_breaks_off_again_and_again_misses_nothing() -> None:
    seen: list[int] = []
    async with playing(timetable=FAST) as (_, served):
        while len(seen) < 20:
            after = seen[-1] if seen else 0
            async with aclosing(watch(served, after=after)) as watching:
                async for frame in watching:
                    if frame.kind == WatchRoundsResponse.TRANSITION or not seen:
                        seen.append(frame.transition_seq)
                        break

    assert seen == list(range(seen[0], seen[0] + 20))


async def test_a_track_that_does_not_exist_is_refused() -> None:
    async with playing() as (_, served):
        call = served.rounds.WatchRounds(WatchRoundsRequest(track="nowhere"))
        told = await refused(call.read())

    assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "TRACK_NOT_FOUND")


async def test_an_interval_out_of_bounds_is_refused() -> None:
    async with playing() as (_, served):
        call = served.rounds.WatchRounds(WatchRoundsRequest(track=TRACK.track, tick_interval_ms=99))
        told = await refused(call.read())

    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["tick_interval_ms"])


async def test_a_server_that_goes_away_tells_every_watcher_where_to_resume() -> None:
    async with playing(timetable=SLOW) as (_, served):
        calls = [served.rounds.WatchRounds(WatchRoundsRequest(track=TRACK.track)) for _ in range(20)]
        first = [await call.read() for call in calls]
        draining = asyncio.create_task(served.server.drain())
        ends = [await refused(call.read()) for call in calls]
        await draining

    assert {frame.transition_seq for frame in first if isinstance(frame, WatchRoundsResponse)} == {1}
    assert {(end.code, end.reason, end.metadata["after"]) for end in ends} == {
        (grpc.StatusCode.UNAVAILABLE, "DRAINING", "1")
    }
    assert all(end.retry_in_ms for end in ends)


async def test_a_watcher_that_does_not_read_is_ended_and_harms_nobody() -> None:
    # Small flow-control windows, so that a few frames fill what lies between the writer and a reader that sleeps.
    async with playing(timetable=SLOW, mailbox_frames_max=8) as (game, served):
        await until(lambda: game.tracks.is_ready)
        target = f"127.0.0.1:{served.server.port}"
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", 1),
        ]
        async with grpc.aio.insecure_channel(target, options=options) as frozen_channel:
            frozen = RoundServiceStub(frozen_channel).WatchRounds(WatchRoundsRequest(track=TRACK.track))
            await frozen.read()
            healthy = served.rounds.WatchRounds(WatchRoundsRequest(track=TRACK.track))
            snapshot = await healthy.read()
            room = game.hub.room(TRACK.track)
            assert room.watchers == 2
            seq, read = 1, []
            while room.watchers == 2 and seq < 5_000:
                seq += 1
                room.hint(stored_round(Phase.OPEN, round_id=seq, transition_seq=seq).round)
                read.append(await healthy.read())

            assert room.watchers == 1
            assert isinstance(snapshot, WatchRoundsResponse)
            numbers = [frame.transition_seq for frame in read if isinstance(frame, WatchRoundsResponse)]
            assert numbers == list(range(2, seq + 1))
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await read_to_the_end(frozen)
            told = read_refusal(ended.value)
            assert (told.code, told.reason) == (grpc.StatusCode.OUT_OF_RANGE, "FELL_BEHIND")
            assert int(told.metadata["after"]) < seq
            healthy.cancel()


async def test_a_watcher_that_leaves_is_forgotten() -> None:
    async with playing(timetable=SLOW) as (game, served):
        for _ in range(20):
            call = served.rounds.WatchRounds(WatchRoundsRequest(track=TRACK.track))
            await call.read()
            call.cancel()

        await until(lambda: game.hub.room(TRACK.track).watchers == 0)
