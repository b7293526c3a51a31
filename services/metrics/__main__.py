"""metrics: `python -m services.metrics`. The only place that builds its parts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from furlong.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry import metrics as otel_metrics
from opentelemetry import trace as otel_trace

from services.chassis.clock import Clock, SystemClock
from services.chassis.hosted import Hosted
from services.chassis.launch import launch
from services.chassis.server import Server, serve
from services.metrics.adapters.forward import OtlpForward
from services.metrics.config import MetricsConfig
from services.metrics.engine.observatory import Observatory
from services.metrics.ports import Forward, NoForward
from services.metrics.service.metrics import MetricsService
from services.metrics.service.otlp.intake import CALLS_MAX, MESSAGE_BYTES_MAX, host_intake
from services.metrics.service.validators import VALIDATORS

NAME = "metrics"
INTAKE = "metrics-otlp"
CALLERS = frozenset(("gateway",))
"""The parts that may ask metrics, where parts speak TLS."""
TELLERS = frozenset(("cache", "game", "gateway", "metrics", "persist", "web"))
"""The parts that may send it their telemetry; it does so itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """metrics put together and taking OTLP at `otlp_port`: what its own server hosts, and how it goes away."""

    hosted: Sequence[Hosted]
    otlp_port: int
    on_drain: Callable[[], Awaitable[None]]


@asynccontextmanager
async def metrics(config: MetricsConfig, clock: Clock) -> AsyncIterator[Metrics]:
    """Put metrics together with its intake at work, and take it apart again."""
    async with _forward(config, clock) as forward:
        observatory = Observatory(
            series_max=config.series_max, traces_bytes_max=config.traces_bytes_max, forward=forward, clock=clock
        )
        service = MetricsService(observatory)
        intake = _intake(config, host_intake(observatory, forward), clock)
        await intake.start()
        try:
            yield Metrics(
                hosted=(
                    Hosted(
                        add=metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server,
                        servicer=service,
                        descriptor=metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"],
                    ),
                ),
                otlp_port=intake.port,
                on_drain=service.drain,
            )
        finally:
            await intake.drain()


@asynccontextmanager
async def _forward(config: MetricsConfig, clock: Clock) -> AsyncIterator[Forward]:
    if not config.forward_endpoint:
        yield NoForward()
        return
    forward = OtlpForward(endpoint=config.forward_endpoint, bytes_max=config.forward_bytes_max, clock=clock)
    forward.start()
    try:
        yield forward
    finally:
        await forward.close()


def _intake(config: MetricsConfig, hosted: Sequence[Hosted], clock: Clock) -> Server:
    """A server of its own: OTLP has another port, longer messages, and callers without tokens.

    It records nothing of itself, or what it is told would be told again without an end.
    """
    return Server(
        name=INTAKE,
        config=replace(
            config.server,
            port=config.otlp_port,
            health_port=0,
            message_bytes_max=MESSAGE_BYTES_MAX,
            admission_write_max=CALLS_MAX,
            drain_notice_ms=0,
        ),
        hosted=hosted,
        validators={},
        liveness=_always,
        readiness=_always,
        on_drain=_nothing_to_end,
        clock=clock,
        callers=TELLERS,
        tracer_provider=otel_trace.NoOpTracerProvider(),
        meter_provider=otel_metrics.NoOpMeterProvider(),
    )


async def run(config: MetricsConfig) -> None:
    """Serve until told to end."""
    clock = SystemClock()
    async with metrics(config, clock) as parts:
        await serve(
            name=NAME,
            config=config.server,
            hosted=parts.hosted,
            validators=VALIDATORS,
            liveness=_always,
            readiness=_always,
            on_drain=parts.on_drain,
            clock=clock,
            callers=CALLERS,
        )


def _always() -> bool:
    """metrics depends on nobody: while it answers, it is well."""
    return True


async def _nothing_to_end() -> None:
    """The intake has no streams."""


if __name__ == "__main__":
    launch(NAME, MetricsConfig, run)
