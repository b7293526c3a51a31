"""OTLP exporters whose certificate may be replaced while they work: the SDK's own, made anew when it was."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import grpc
from furlong.client.tls import ChannelTls, credentials
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class _Ends(Protocol):
    def shutdown(self) -> None:
        """Close the connection."""


E = TypeVar("E", bound=_Ends)
Options = tuple[tuple[str, str], ...]


class _Renewed(Generic[E]):
    """Holds an exporter. Asked from the one thread that exports."""

    def __init__(self, tls: ChannelTls, make: Callable[[grpc.ChannelCredentials, Options], E]) -> None:
        self._tls = tls
        self._make = make
        self._material = tls.files.recent()
        self._exporter = self._made()

    def current(self) -> E:
        """Give the exporter that has the certificate of now."""
        material = self._tls.files.recent()
        if material is not self._material:
            self._exporter.shutdown()
            self._material = material
            self._exporter = self._made()
        return self._exporter

    def _made(self) -> E:
        return self._make(credentials(self._material), tuple(self._tls.options()))


class TlsSpanExporter(SpanExporter):
    """Sends spans over TLS."""

    def __init__(self, tls: ChannelTls, *, endpoint: str, timeout_s: float) -> None:
        def make(secret: grpc.ChannelCredentials, options: Options) -> OTLPSpanExporter:
            return OTLPSpanExporter(
                endpoint=endpoint,
                insecure=False,
                credentials=secret,
                timeout=timeout_s,
                channel_options=options,  # type: ignore[arg-type] # the SDK says exactly one
            )

        self._renewed = _Renewed(tls, make)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        return self._renewed.current().export(spans)

    def shutdown(self) -> None:
        """Send no more."""
        self._renewed.current().shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: nothing is kept here."""
        return True


class TlsMetricExporter(MetricExporter):
    """Sends metrics over TLS."""

    def __init__(
        self, tls: ChannelTls, *, endpoint: str, timeout_s: float, preferred_aggregation: dict[type, Any]
    ) -> None:
        def make(secret: grpc.ChannelCredentials, options: Options) -> OTLPMetricExporter:
            return OTLPMetricExporter(
                endpoint=endpoint,
                insecure=False,
                credentials=secret,
                timeout=timeout_s,
                preferred_aggregation=preferred_aggregation,
                channel_options=options,  # type: ignore[arg-type] # the SDK says exactly one
            )

        self._renewed = _Renewed(tls, make)
        now = self._renewed.current()
        super().__init__(
            preferred_temporality=now._preferred_temporality, preferred_aggregation=now._preferred_aggregation
        )

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Send a batch."""
        return self._renewed.current().export(metrics_data, timeout_millis)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing: nothing is kept here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Send no more."""
        self._renewed.current().shutdown(timeout_millis)
