"""What metrics needs from outside: somebody who passes telemetry on."""

from enum import Enum
from typing import Protocol


class Signal(Enum):
    """The kinds of telemetry that OTLP carries and we take; the value is the gRPC method that takes it."""

    TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class Forward(Protocol):
    """Passes on what came, as well as it can, without ever making anybody wait."""

    def offer(self, signal: Signal, message: bytes, items: int) -> None:
        """Take an encoded export request of so many spans or points."""

    @property
    def dropped(self) -> int:
        """The spans and points that were not passed on, since the start."""


class NoForward:
    """Passes nothing on, and misses nothing."""

    dropped = 0

    def offer(self, signal: Signal, message: bytes, items: int) -> None:
        """Let it be."""
