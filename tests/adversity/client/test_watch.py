"""`watch()` shows every transition once and in order, whatever breaks on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from furlong.client import CallRefused, open_channel
from furlong.client.backoff import Timing
from furlong.client.rounds import Rounds
from furlong.common.v1.round_pb2 import Round
from furlong.game.v1 import round_service_pb2 as wire
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from tests.loopback import Wire, refuse, serving, until, wired

SERVICE = wire.DESCRIPTOR.services_by_name["RoundService"]
TRANSITIONS = 12
UPDATE, TRANSITION, GAP = WatchRoundsResponse.UPDATE, WatchRoundsResponse.TRANSITION, WatchRoundsResponse.GAP

Break = Callable[[Any], Awaitable[None]]


def frame(kind: WatchRoundsResponse.Kind.ValueType, seq: int) -> WatchRoundsResponse:
    return WatchRoundsResponse(kind=kind, transition_seq=seq, round=Round(round_id=1 + seq // 5, transition_seq=seq))


@dataclass(slots=True)
class Track:
    """A round service with the log of one track. `breaks` tells what happens after a transition, the first time.

    `kept_from` is the first transition that can still be sent, `muddle` what the first watcher gets instead.
    """

    breaks: dict[int, Break] = field(default_factory=dict)
    muddle: list[tuple[WatchRoundsResponse.Kind.ValueType, int]] = field(default_factory=list)
    kept_from: int = 1
    before: int = 3  # transitions that had happened when the first watcher came
    afters: list[int] = field(default_factory=list)
    live: int = 0

    async def watch(self, request: wire.WatchRoundsRequest, context: Any) -> AsyncIterator[WatchRoundsResponse]:
        self.afters.append(request.after)
        self.live += 1
        try:
            while self.muddle:
                yield frame(*self.muddle.pop(0))
            seen = request.after
            if seen == 0 or seen + 1 < self.kept_from:
                seen = max(self.before, self.kept_from - 1)
                yield frame(UPDATE if request.after == 0 else GAP, seen)
            for seq in range(seen + 1, TRANSITIONS + 1):
                yield frame(TRANSITION, seq)
                if seq in self.breaks:
                    await self.breaks.pop(seq)(context)
                    return
                yield frame(UPDATE, seq)
            await asyncio.Event().wait()
        finally:
            self.live -= 1

    def register(self, server: grpc.aio.Server) -> None:
        handler = grpc.unary_stream_rpc_method_handler(
            self.watch,
            request_deserializer=wire.WatchRoundsRequest.FromString,
            response_serializer=WatchRoundsResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE.full_name, {"WatchRounds": handler}),)
        )


@dataclass(slots=True)
class Pauses:
    """Notes how long a watcher would have waited, and waits very little."""

    slept_s: list[float] = field(default_factory=list)

    async def sleep_s(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0.01)


@asynccontextmanager
async def rounds_of(track: Track, pauses: Pauses) -> AsyncIterator[Rounds]:
    async with serving(track.register) as server, open_channel(server.target, services=[SERVICE]) as channel:
        yield Rounds(channel, Timing(sleep_s=pauses.sleep_s))


async def watch_to_the_end(rounds: Rounds, after: int = 0) -> list[WatchRoundsResponse]:
    frames: list[WatchRoundsResponse] = []
    async with asyncio.timeout(20), aclosing(rounds.watch("harbour-mile", after)) as watching:
        async for shown in watching:
            frames.append(shown)
            if shown.transition_seq == TRANSITIONS:
                break
    return frames


def transitions(frames: list[WatchRoundsResponse]) -> list[int]:
    return [shown.transition_seq for shown in frames if shown.kind == TRANSITION]


async def drain(context: Any) -> None:
    await refuse(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_in_ms=300)


async def fall_behind(context: Any) -> None:
    await refuse(context, grpc.StatusCode.OUT_OF_RANGE, "FELL_BEHIND")


async def overload(context: Any) -> None:
    await refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_in_ms=200)


async def break_down(context: Any) -> None:
    raise RuntimeError("a defect of the server")


async def end(context: Any) -> None:
    pass


async def test_it_shows_the_round_as_it_is_and_then_every_transition() -> None:
    track = Track()
    async with rounds_of(track, Pauses()) as rounds:
        frames = await watch_to_the_end(rounds)
    assert (frames[0].kind, frames[0].transition_seq) == (UPDATE, 3)
    assert transitions(frames) == list(range(4, TRANSITIONS + 1))
    assert track.afters == [0]


async def test_it_begins_after_the_transition_that_was_seen_last() -> None:
    async with rounds_of(Track(), Pauses()) as rounds:
        frames = await watch_to_the_end(rounds, after=7)
    assert transitions(frames) == list(range(8, TRANSITIONS + 1))
    assert frames[0].kind == TRANSITION


@pytest.mark.parametrize("stop", [drain, fall_behind, overload, break_down, end], ids=lambda stop: stop.__name__)
async def test_it_resumes_after_every_way_in_which_a_stream_ends(stop: Break) -> None:
    track = Track(breaks={5: stop, 6: stop, 9: stop})
    async with rounds_of(track, Pauses()) as rounds:
        frames = await watch_to_the_end(rounds)
    assert transitions(frames) == list(range(4, TRANSITIONS + 1))
    assert track.afters == [0, 5, 6, 9]


async def test_it_waits_as_long_as_a_draining_server_asks_for() -> None:
    track, pauses = Track(breaks={5: drain}), Pauses()
    async with rounds_of(track, pauses) as rounds:
        await watch_to_the_end(rounds)
    assert len(pauses.slept_s) == 1
    assert 0.3 < pauses.slept_s[0] < 0.4


async def test_it_resumes_after_the_server_was_killed_in_the_middle() -> None:
    async def cut(context: Any) -> None:
        line.drop()
        await asyncio.Event().wait()

    track = Track(breaks={5: cut, 8: cut})
    line: Wire
    async with (
        serving(track.register) as server,
        wired(server.port) as line,
        open_channel(line.target, services=[SERVICE]) as channel,
    ):
        frames = await watch_to_the_end(Rounds(channel))
    assert transitions(frames) == list(range(4, TRANSITIONS + 1))
    assert line.connections == 3


async def test_it_resumes_when_a_server_that_was_gone_is_back() -> None:
    gone = asyncio.Event()

    async def die(context: Any) -> None:
        gone.set()
        await asyncio.Event().wait()

    track = Track(breaks={5: die})
    async with serving(track.register) as server, open_channel(server.target, services=[SERVICE]) as channel:
        watching = asyncio.create_task(watch_to_the_end(Rounds(channel)))
        await gone.wait()
        await server.kill()
        await asyncio.sleep(0.3)
        await server.start()
        frames = await watching
    assert transitions(frames) == list(range(4, TRANSITIONS + 1))


async def test_frames_out_of_order_are_not_shown_and_a_hole_is_asked_for_again() -> None:
    muddle = [(UPDATE, 3), (TRANSITION, 4), (TRANSITION, 4), (UPDATE, 3), (TRANSITION, 2), (UPDATE, 6), (TRANSITION, 5)]
    track = Track(muddle=[*muddle, (TRANSITION, 7), (TRANSITION, 8)])
    async with rounds_of(track, Pauses()) as rounds:
        frames = await watch_to_the_end(rounds)
    assert [(shown.kind, shown.transition_seq) for shown in frames[:4]] == [
        (UPDATE, 3),
        (TRANSITION, 4),
        (TRANSITION, 5),
        (TRANSITION, 6),
    ]
    assert transitions(frames) == list(range(4, TRANSITIONS + 1))
    assert track.afters == [0, 5]


async def test_transitions_that_are_no_longer_kept_are_told_as_a_gap() -> None:
    track = Track(kept_from=10)
    async with rounds_of(track, Pauses()) as rounds:
        frames = await watch_to_the_end(rounds, after=5)
    assert (frames[0].kind, frames[0].transition_seq) == (GAP, 9)
    assert transitions(frames) == [10, 11, 12]


async def test_a_refusal_that_asking_again_cannot_help_is_told() -> None:
    async def unknown(context: Any) -> None:
        await refuse(context, grpc.StatusCode.NOT_FOUND, "TRACK_NOT_FOUND")

    async with rounds_of(Track(breaks={4: unknown}), Pauses()) as rounds:
        with pytest.raises(CallRefused) as caught:
            await watch_to_the_end(rounds)
    assert caught.value.reason == "TRACK_NOT_FOUND"


async def test_a_watcher_that_leaves_ends_its_call_at_the_server() -> None:
    track = Track()
    async with rounds_of(track, Pauses()) as rounds:
        await watch_to_the_end(rounds)
        await until(lambda: track.live == 0)
        watching = asyncio.create_task(_watch_for_ever(rounds))
        await until(lambda: track.live == 1)
        watching.cancel()
        await asyncio.wait([watching])
        await until(lambda: track.live == 0)


async def _watch_for_ever(rounds: Rounds) -> None:
    async for _ in rounds.watch("harbour-mile"):
        pass
