"""What comes is passed on as it came; an endpoint that is slow, gone or wrong changes nothing here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from services.chassis.clock import SystemClock
from services.metrics.adapters.forward import OtlpForward
from services.metrics.ports import Signal
from tests.loopback import Server, until
from tests.observing import observing

Handler = Callable[[bytes, Any], Awaitable[bytes]]


def collector(export: Handler) -> Callable[[grpc.aio.Server], None]:
    """Tell how to put a collector on a server that takes both signals with `export`."""

    def register(server: grpc.aio.Server) -> None:
        for signal in Signal:
            service, _, method = signal.value.removeprefix("/").partition("/")
            handlers: dict[str, Any] = {method: grpc.unary_unary_rpc_method_handler(export)}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))

    return register


@asynccontextmanager
async def collecting(export: Handler) -> AsyncIterator[Server]:
    server = Server(register=collector(export))
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


def message(number: int) -> bytes:
    request = trace_service_pb2.ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=number.to_bytes(16, "big"), span_id=b"s" * 8, start_time_unix_nano=1
    )
    return request.SerializeToString()


async def test_messages_are_passed_on_byte_for_byte_and_in_order() -> None:
    received: list[bytes] = []

    async def export(request: bytes, _: Any) -> bytes:
        received.append(request)
        return b""

    async with collecting(export) as endpoint, observing(forward_endpoint=f"http://{endpoint.target}") as seen:
        sent = [message(n) for n in range(1, 20)]
        for each in sent:
            await seen.export(Signal.TRACES, each)
        await until(lambda: len(received) == len(sent))
        assert received == sent
        assert (await seen.snapshot()).forward_dropped == 0


async def test_an_endpoint_that_comes_back_gets_what_waited() -> None:
    received: list[bytes] = []

    async def export(request: bytes, _: Any) -> bytes:
        received.append(request)
        return b""

    endpoint = Server(register=collector(export))
    await endpoint.start()
    await endpoint.kill()
    async with observing(forward_endpoint=f"http://{endpoint.target}") as seen:
        for n in range(1, 4):
            await seen.export(Signal.TRACES, message(n))
        await endpoint.start()
        try:
            await until(lambda: len(received) == 3)
        finally:
            await endpoint.kill()


async def test_an_endpoint_that_refuses_costs_its_messages_and_nothing_else() -> None:
    async def export(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, "no")
        raise AssertionError("aborted")

    async with collecting(export) as endpoint, observing(forward_endpoint=f"http://{endpoint.target}") as seen:
        for n in range(1, 11):
            await seen.export(Signal.TRACES, message(n))
        await seen.snapshot_when(lambda told: told.forward_dropped == 10)
        assert len(await seen.traces()) == 10


@pytest.mark.parametrize("answers", [True, False], ids=["hangs", "is gone"])
async def test_an_endpoint_that_is_away_fills_the_queue_to_its_bound_and_no_further(answers: bool) -> None:
    async def hang(request: bytes, _: Any) -> bytes:
        await asyncio.sleep(60)
        return b""

    bytes_max = 100 * len(message(1))
    async with collecting(hang) as endpoint:
        if not answers:
            await endpoint.kill()
        forward = OtlpForward(endpoint=f"http://{endpoint.target}", bytes_max=bytes_max, clock=SystemClock())
        forward.start()
        try:
            for n in range(1, 1_001):
                forward.offer(Signal.TRACES, message(n), 2)
                await asyncio.sleep(0)
            assert forward.waiting_bytes == bytes_max
            assert forward.dropped == 900 * 2
        finally:
            await forward.close()
