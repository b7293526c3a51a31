"""Deadlines and cancellation go down a chain of servers: the test calls outer, which calls middle and leaf."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from furlong.client import deadline, open_channel
from furlong.client.errors import NotSent, from_rpc

from tests.loopback import DEADLINE_MS, KEEP, PROBE_SERVICE, Answer, Script, ask, probe_service, serving, until


@dataclass(slots=True)
class Sightings:
    """What the servers of a chain saw, by server; deadlines are on the clock of `time.monotonic()`."""

    release_leaf: asyncio.Event = field(default_factory=asyncio.Event)
    deadlines_s: dict[str, float] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)


def hop(name: str, seen: Sightings, onward: grpc.aio.Channel | None) -> Answer:
    """Answer by asking the next server, which inherits the deadline, or wait for the test to release the leaf."""

    async def answer(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        seen.deadlines_s[name] = time.monotonic() + context.time_remaining()
        deadline.set_inbound(seen.deadlines_s[name])
        try:
            if onward is not None:
                return await ask(onward, KEEP)
            await seen.release_leaf.wait()
        except asyncio.CancelledError:
            seen.cancelled.append(name)
            raise
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code())
        return b"leaf"

    return answer


@asynccontextmanager
async def chain(seen: Sightings) -> AsyncIterator[grpc.aio.Channel]:
    """Run the three servers and open a channel to the outer one."""
    async with (
        serving(probe_service({KEEP: hop("leaf", seen, None)})) as leaf,
        open_channel(leaf.target, services=[PROBE_SERVICE]) as to_leaf,
        serving(probe_service({KEEP: hop("middle", seen, to_leaf)})) as middle,
        open_channel(middle.target, services=[PROBE_SERVICE]) as to_middle,
        serving(probe_service({KEEP: hop("outer", seen, to_middle)})) as outer,
        open_channel(outer.target, services=[PROBE_SERVICE]) as to_outer,
    ):
        yield to_outer


@pytest.mark.parametrize("timeout_s", [0.795, 0.995, 1.0013, 1.9931, None])
async def test_the_leafs_deadline_is_never_later_than_the_callers(timeout_s: float | None) -> None:
    seen = Sightings()
    seen.release_leaf.set()
    async with chain(seen) as channel:
        callers_s = time.monotonic() + (timeout_s or DEADLINE_MS / 1000)
        assert await ask(channel, KEEP, timeout=timeout_s) == b"leaf"
    assert seen.deadlines_s["leaf"] < seen.deadlines_s["middle"] < seen.deadlines_s["outer"]
    assert seen.deadlines_s["leaf"] <= callers_s


async def test_a_method_gets_its_own_deadline_where_the_caller_has_more_time() -> None:
    seen = Sightings()
    seen.release_leaf.set()
    async with chain(seen) as channel:
        began_s = time.monotonic()
        await ask(channel, KEEP, timeout=60)
    assert seen.deadlines_s["outer"] - began_s > 50
    assert seen.deadlines_s["middle"] - began_s < 10


async def test_a_call_whose_time_is_over_is_not_sent() -> None:
    script = Script(b"done")
    async with (
        serving(probe_service({KEEP: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        token = deadline.set_inbound(time.monotonic())
        with pytest.raises(NotSent) as caught:
            await ask(channel, KEEP)
        deadline.reset(token)
        assert await ask(channel, KEEP) == b"done"
    assert script.calls == 1
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert from_rpc(caught.value).reason == "OUT_OF_TIME"


async def test_a_cancelled_caller_cancels_every_call_down_the_chain() -> None:
    seen = Sightings()
    async with chain(seen) as channel:
        call = asyncio.ensure_future(_answer(channel))
        await until(lambda: "leaf" in seen.deadlines_s)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: len(seen.cancelled) == 3)
    assert set(seen.cancelled) == {"outer", "middle", "leaf"}


async def test_a_caller_whose_time_is_over_leaves_no_call_running_down_the_chain() -> None:
    seen = Sightings()
    async with chain(seen) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(channel, KEEP, timeout=1.0)  # enough for the leaf to be asked
        await until(lambda: "leaf" in seen.cancelled)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def _answer(channel: grpc.aio.Channel) -> bytes:
    return await ask(channel, KEEP)
