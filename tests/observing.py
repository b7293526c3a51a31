"""metrics in this process for tests, with real OTLP exporters that send to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from furlong.metrics.v1 import metrics_service_pb2 as pb
from furlong.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub

from services.chassis.clock import Clock, SystemClock
from services.chassis.server import Server
from services.chassis.server_config import ServerConfig
from services.metrics.__main__ import NAME, metrics
from services.metrics.config import MetricsConfig
from services.metrics.ports import Signal
from services.metrics.service.validators import VALIDATORS
from tests import served


@dataclass(frozen=True, slots=True, kw_only=True)
class Observing:
    """metrics at work: the channel to its own port and to its intake, and where exporters send."""

    channel: grpc.aio.Channel
    intake: grpc.aio.Channel
    endpoint: str
    target: str
    stub: Any

    async def export(self, signal: Signal, message: bytes) -> bytes:
        """Send bytes to the intake, as an exporter would, and give the bytes of the answer."""
        export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.intake.unary_unary(signal.value)
        answer: bytes = await export(message)
        return answer

    async def snapshot(self, window_ms: int = 0) -> pb.Snapshot:
        response: pb.GetSnapshotResponse = await self.stub.GetSnapshot(pb.GetSnapshotRequest(window_ms=window_ms))
        return response.snapshot

    async def snapshot_when(self, condition: Callable[[pb.Snapshot], bool], *, within_s: float = 20.0) -> pb.Snapshot:
        """Wait until the figures are as told; a test that waits in vain fails by TimeoutError."""
        async with asyncio.timeout(within_s):
            while not condition(snapshot := await self.snapshot()):  # noqa: ASYNC110 - exporters send when they like
                await asyncio.sleep(0.1)
        return snapshot

    async def trace(self, trace_or_ticket_id: str) -> pb.Trace:
        response: pb.GetTraceResponse = await self.stub.GetTrace(pb.GetTraceRequest(trace_id=trace_or_ticket_id))
        return response.trace

    async def traces(self, page_size: int = 100) -> Sequence[pb.TraceSummary]:
        response: pb.ListTracesResponse = await self.stub.ListTraces(pb.ListTracesRequest(page_size=page_size))
        return response.traces


@asynccontextmanager
async def observing(
    *, server: ServerConfig | None = None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Observing]:
    """Run metrics with access off unless `server` says otherwise."""
    config = MetricsConfig(server=server or served.config(), **settings)
    clock = clock or SystemClock()
    async with metrics(config, clock) as parts:
        host = Server(
            name=NAME,
            config=config.server,
            hosted=parts.hosted,
            validators=VALIDATORS,
            liveness=lambda: True,
            readiness=lambda: True,
            on_drain=parts.on_drain,
            clock=clock,
        )
        await host.start()
        options = [("grpc.use_local_subchannel_pool", 1)]
        target = f"127.0.0.1:{host.port}"
        intake = f"127.0.0.1:{parts.otlp_port}"
        async with (
            grpc.aio.insecure_channel(target, options=options) as channel,
            grpc.aio.insecure_channel(intake, options=options) as to_intake,
        ):
            try:
                yield Observing(
                    channel=channel,
                    intake=to_intake,
                    endpoint=f"http://{intake}",
                    target=target,
                    stub=MetricsServiceStub(channel),
                )
            finally:
                await host.drain()
