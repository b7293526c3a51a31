"""Every call that begins a span ends it, and the context reaches the server."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from furlong.client import BreakerSettings, open_channel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from tests.loopback import PROBE_SERVICE, READ, WRITE, Script, ask, follow, metadata_of, probe_service, serving, until


class Spans(SpanProcessor):
    """Keeps what began and what ended."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.begun += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def codes(self) -> list[object]:
        return [dict(span.attributes or {})["rpc.response.status_code"] for span in self.ended]


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def provider(spans: Spans) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(spans)
    return provider


def carried(traceparent: str) -> tuple[int, int, bool]:
    """Read trace, span and whether it is sampled."""
    _, trace_id, span_id, flags = traceparent.split("-")
    return int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & trace.TraceFlags.SAMPLED)


async def frames(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.Event().wait()


async def never(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
    await asyncio.Event().wait()
    return b""


async def test_a_span_tells_method_status_and_server(spans: Spans, provider: TracerProvider) -> None:
    script = Script(b"done", grpc.StatusCode.NOT_FOUND)
    async with (
        serving(probe_service({READ: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], tracer_provider=provider) as channel,
    ):
        await ask(channel, READ)
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(channel, READ)
    done, missing = spans.ended
    assert done.name == "furlong.tests.v1.ProbeService/Read"
    assert done.kind is trace.SpanKind.CLIENT
    assert dict(done.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": "furlong.tests.v1.ProbeService/Read",
        "rpc.response.status_code": "OK",
        "server.address": server.target,
    }
    assert done.status.status_code is StatusCode.UNSET
    assert dict(missing.attributes or {})["error.type"] == "NOT_FOUND"
    assert missing.status.status_code is StatusCode.ERROR


async def test_the_server_gets_the_context_of_the_calls_own_span(spans: Spans, provider: TracerProvider) -> None:
    parents: list[str] = []

    async def answer(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        parents.append(metadata_of(context)["traceparent"])
        return b""

    async with (
        serving(probe_service({READ: answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], tracer_provider=provider) as channel,
    ):
        with provider.get_tracer("test").start_as_current_span("caller") as caller:
            await ask(channel, READ)
    call = spans.ended[0]
    assert call.context is not None
    assert call.parent is not None
    assert call.parent.span_id == caller.get_span_context().span_id
    assert [carried(parent) for parent in parents] == [(call.context.trace_id, call.context.span_id, True)]


async def test_a_trace_that_is_not_sampled_travels_on_without_a_span_of_ours(spans: Spans) -> None:
    parents: list[str] = []

    async def answer(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        parents.append(metadata_of(context)["traceparent"])
        return b""

    unsampled = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    unsampled.add_span_processor(spans)
    async with (
        serving(probe_service({READ: answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], tracer_provider=unsampled) as channel,
    ):
        with unsampled.get_tracer("test").start_as_current_span("caller") as caller:
            await ask(channel, READ)
    here = caller.get_span_context()
    assert [carried(parent) for parent in parents] == [(here.trace_id, here.span_id, False)]
    assert spans.begun == 0


async def test_every_end_of_a_call_ends_its_span(spans: Spans, provider: TracerProvider) -> None:
    settings = BreakerSettings(failures_max=1, open_ms=60_000)
    async with (
        serving(probe_service({READ: never, WRITE: Script(grpc.StatusCode.INTERNAL).answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE], tracer_provider=provider, breaker=settings) as channel,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(channel, READ)  # cancelled by its caller
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(channel, READ, timeout=0.05)  # out of time
        abandoned = ask(channel, READ)
        await asyncio.sleep(0)
        abandoned.cancel()
        for _ in range(2):  # a failure, which opens the breaker, and a call that it keeps
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(channel, WRITE)
    await until(lambda: len(spans.ended) == spans.begun)
    assert sorted(map(str, spans.codes())) == ["CANCELLED", "CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE"]


async def test_every_end_of_a_stream_ends_its_span(spans: Spans, provider: TracerProvider) -> None:
    async with serving(probe_service({}, frames)) as server:
        async with open_channel(server.target, services=[PROBE_SERVICE], tracer_provider=provider) as channel:
            async for _ in follow(channel):
                break  # left without a word
            unread = follow(channel)
            await asyncio.sleep(0)
            unread.cancel()
            cancelled = follow(channel)
            assert await anext(aiter(cancelled)) == b"first"
            cancelled.cancel()
            reading = asyncio.create_task(_read_all(channel))
            await asyncio.sleep(0.05)
            reading.cancel()
            await asyncio.wait([reading])
            open_at_close = follow(channel)
            assert await anext(aiter(open_at_close)) == b"first"
        await until(lambda: len(spans.ended) == spans.begun)
    assert spans.begun == 5
    assert set(spans.codes()) == {"CANCELLED"}


async def _read_all(channel: grpc.aio.Channel) -> None:
    async for _ in follow(channel):
        pass
