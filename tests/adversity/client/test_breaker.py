"""The breaker does its work: what the server saw, counted, and what the breaker reported."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from furlong.client import BreakerChange, BreakerSettings, BreakerState, deadline, open_channel
from furlong.client.errors import NotSent, from_rpc

from tests.loopback import (
    DEADLINE_MS,
    PROBE_SERVICE,
    READ,
    WRITE,
    Script,
    ask,
    follow,
    probe_service,
    serving,
    until,
    wired,
)

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
FAILURES_MAX = 3
LONG_OPEN = BreakerSettings(failures_max=FAILURES_MAX, open_ms=60_000)
SHORT_OPEN = BreakerSettings(failures_max=FAILURES_MAX, open_ms=100)


async def outcome(call: "grpc.aio.UnaryUnaryCall[bytes, bytes]") -> bytes | grpc.aio.AioRpcError:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return error


async def fail(channel: grpc.aio.Channel, times: int) -> None:
    for _ in range(times):
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(channel, WRITE)


async def test_it_opens_after_so_many_failures_and_then_nothing_reaches_the_server() -> None:
    script = Script(grpc.StatusCode.UNAVAILABLE)
    changes: list[BreakerChange] = []
    async with (
        serving(probe_service({WRITE: script.answer})) as server,
        wired(server.port) as wire,
        open_channel(
            wire.target, services=[PROBE_SERVICE], breaker=LONG_OPEN, on_breaker_change=changes.append
        ) as channel,
    ):
        await fail(channel, FAILURES_MAX)
        seen, connections = script.calls, wire.connections
        began = time.perf_counter()
        kept = [await outcome(ask(channel, WRITE)) for _ in range(100)]
        took_s = time.perf_counter() - began
        assert (script.calls, wire.connections) == (seen, connections) == (FAILURES_MAX, 1)
    assert all(isinstance(error, NotSent) for error in kept)
    assert {from_rpc(error).reason for error in kept if isinstance(error, NotSent)} == {"DEPENDENCY_DOWN"}
    assert changes == [BreakerChange(target=wire.target, before=CLOSED, after=OPEN)]
    assert took_s < 100 * 0.05  # a generous bound that no call over a network to a dead host would keep


async def test_a_dead_server_opens_it() -> None:
    changes: list[BreakerChange] = []
    async with serving(probe_service({})) as server:
        await server.kill()
        async with open_channel(
            server.target, services=[PROBE_SERVICE], breaker=LONG_OPEN, on_breaker_change=changes.append
        ) as channel:
            await fail(channel, FAILURES_MAX)
            assert isinstance(await outcome(ask(channel, READ)), NotSent)
    assert [change.after for change in changes] == [OPEN]


async def test_half_open_lets_exactly_one_of_many_calls_out_and_closes_when_it_succeeds() -> None:
    proceed = asyncio.Event()
    calls = 0

    async def answer(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        nonlocal calls
        calls += 1
        if calls <= FAILURES_MAX:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        await proceed.wait()
        return b"back"

    changes: list[BreakerChange] = []
    async with (
        serving(probe_service({WRITE: answer})) as server,
        open_channel(
            server.target, services=[PROBE_SERVICE], breaker=SHORT_OPEN, on_breaker_change=changes.append
        ) as channel,
    ):
        await fail(channel, FAILURES_MAX)
        await asyncio.sleep(SHORT_OPEN.open_ms / 1000)
        waiting = [asyncio.create_task(outcome(ask(channel, WRITE))) for _ in range(20)]
        await until(lambda: sum(task.done() for task in waiting) == 19)
        await until(lambda: calls > FAILURES_MAX)
        proceed.set()
        results = await asyncio.gather(*waiting)
        assert calls == FAILURES_MAX + 1
        assert await ask(channel, WRITE) == b"back"
    assert results.count(b"back") == 1
    assert sum(isinstance(result, NotSent) for result in results) == 19
    assert [change.after for change in changes] == [OPEN, HALF_OPEN, CLOSED]


async def test_a_probe_that_fails_opens_it_again() -> None:
    script = Script(grpc.StatusCode.UNAVAILABLE)
    changes: list[BreakerChange] = []
    async with (
        serving(probe_service({WRITE: script.answer})) as server,
        open_channel(
            server.target, services=[PROBE_SERVICE], breaker=SHORT_OPEN, on_breaker_change=changes.append
        ) as channel,
    ):
        await fail(channel, FAILURES_MAX)
        await asyncio.sleep(SHORT_OPEN.open_ms / 1000)
        await asyncio.gather(*(outcome(ask(channel, WRITE)) for _ in range(20)))
    assert script.calls == FAILURES_MAX + 1
    assert [change.after for change in changes] == [OPEN, HALF_OPEN, OPEN]


async def test_it_closes_when_the_server_is_back() -> None:
    script = Script(b"here")
    async with serving(probe_service({READ: script.answer})) as server:
        await server.kill()
        async with open_channel(server.target, services=[PROBE_SERVICE], breaker=SHORT_OPEN) as channel:
            await fail(channel, FAILURES_MAX)
            await server.start()
            for _ in range(500):
                if await outcome(ask(channel, READ)) == b"here":
                    break
                await asyncio.sleep(0.02)
            assert await ask(channel, READ) == b"here"


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
    ],
    ids=lambda code: code.name,
)
async def test_what_the_application_refuses_never_opens_it(code: grpc.StatusCode) -> None:
    script = Script(code)
    async with (
        serving(probe_service({WRITE: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], breaker=LONG_OPEN) as channel,
    ):
        await fail(channel, 4 * FAILURES_MAX)
    assert script.calls == 4 * FAILURES_MAX


async def test_calls_that_a_server_cancels_open_it() -> None:
    script = Script(grpc.StatusCode.CANCELLED)
    async with (
        serving(probe_service({WRITE: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], breaker=LONG_OPEN) as channel,
    ):
        await fail(channel, 2 * FAILURES_MAX)
    assert script.calls == FAILURES_MAX


async def test_calls_that_the_caller_cancels_or_gives_too_little_time_never_open_it() -> None:
    calls = 0

    async def answer(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()
        return b""

    async with (
        serving(probe_service({WRITE: answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], breaker=LONG_OPEN) as channel,
    ):
        for _ in range(2 * FAILURES_MAX):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await ask(channel, WRITE)
            late = await outcome(ask(channel, WRITE, timeout=0.02))
            assert isinstance(late, grpc.aio.AioRpcError)
            assert not isinstance(late, NotSent)


async def test_a_server_that_hangs_opens_it_although_the_callers_deadline_shortens_the_calls() -> None:
    calls = 0

    async def hang(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()
        return b""

    async with (
        serving(probe_service({WRITE: hang})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], breaker=LONG_OPEN) as channel,
    ):
        token = deadline.set_inbound(time.monotonic() + 0.6 * DEADLINE_MS / 1000)
        await asyncio.gather(*(outcome(ask(channel, WRITE)) for _ in range(FAILURES_MAX)))
        deadline.reset(token)
        assert isinstance(await outcome(ask(channel, WRITE)), NotSent)
    assert calls == FAILURES_MAX


async def test_a_cancelled_probe_leaves_its_place_to_the_next_call() -> None:
    calls = 0

    async def answer(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        nonlocal calls
        calls += 1
        if calls <= FAILURES_MAX:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        if calls == FAILURES_MAX + 1:
            await asyncio.Event().wait()
        return b"back"

    async with (
        serving(probe_service({WRITE: answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], breaker=SHORT_OPEN) as channel,
    ):
        await fail(channel, FAILURES_MAX)
        await asyncio.sleep(SHORT_OPEN.open_ms / 1000)
        probe = asyncio.create_task(outcome(ask(channel, WRITE)))
        await until(lambda: calls == FAILURES_MAX + 1)
        assert isinstance(await outcome(ask(channel, WRITE)), NotSent)
        probe.cancel()
        await asyncio.wait([probe])
        assert await ask(channel, WRITE) == b"back"


async def test_a_stream_closes_it_by_its_first_message_and_not_by_its_end() -> None:
    follow_fails = True

    async def frames(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> AsyncIterator[bytes]:
        if follow_fails:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        yield b"first"
        await asyncio.Event().wait()

    changes: list[BreakerChange] = []
    async with (
        serving(probe_service({READ: Script(b"read").answer}, frames)) as server,
        open_channel(
            server.target, services=[PROBE_SERVICE], breaker=SHORT_OPEN, on_breaker_change=changes.append
        ) as channel,
    ):
        for _ in range(FAILURES_MAX):
            with pytest.raises(grpc.aio.AioRpcError):
                await anext(aiter(follow(channel)))
        assert [change.after for change in changes] == [OPEN]
        await asyncio.sleep(SHORT_OPEN.open_ms / 1000)
        follow_fails = False
        stream = follow(channel)
        assert await anext(aiter(stream)) == b"first"
        assert [change.after for change in changes] == [OPEN, HALF_OPEN, CLOSED]
        assert await ask(channel, READ) == b"read"
        stream.cancel()


async def test_a_silent_stream_does_not_hold_the_probe() -> None:
    script = Script(*[grpc.StatusCode.UNAVAILABLE] * FAILURES_MAX, b"back")
    opened = asyncio.Event()

    async def frames(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> AsyncIterator[bytes]:
        opened.set()
        await asyncio.Event().wait()
        yield b""

    settings = BreakerSettings(failures_max=FAILURES_MAX, open_ms=100, stream_probe_ms=1_000)
    async with (
        serving(probe_service({WRITE: script.answer}, frames)) as server,
        open_channel(server.target, services=[PROBE_SERVICE], breaker=settings) as channel,
    ):
        await fail(channel, FAILURES_MAX)
        await asyncio.sleep(settings.open_ms / 1000)
        stream = follow(channel)
        await opened.wait()
        assert isinstance(await outcome(ask(channel, WRITE)), NotSent)
        await asyncio.sleep(settings.stream_probe_ms / 1000)
        assert await ask(channel, WRITE) == b"back"
        stream.cancel()
