"""OpenTelemetry for one process: traces and metrics to one OTLP endpoint, or nothing at all.

Whoever begins a trace decides for all of it: a call with a parent is recorded when its parent is, one without by the
sample ratio. Every queue is bounded; an endpoint that is slow or gone costs spans, never calls.

An endpoint that begins with https:// is spoken to over TLS: with the certificate of this part if it has one, else as
OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_CERTIFICATE and its like).
"""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from furlong.client.tls import ChannelTls
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from services.chassis.exporters import TlsMetricExporter, TlsSpanExporter
from services.chassis.sampling import RootSampler

SPAN_QUEUE_MAX: Final = 8_192
SPAN_BATCH_MAX: Final = 512
SPAN_DELAY_MS: Final = 1_000
METRIC_INTERVAL_MS: Final = 2_000
"""How often figures are sent: a board that people look at should not be older than this."""
EXPORT_TIMEOUT_S: Final = 2

DISTRIBUTION: Final = ExponentialBucketHistogramAggregation(max_size=320)
"""Buckets that fit what is measured. With so many of them they are never more than 9 % apart: 40 octaves of eight
buckets go from a nanosecond to half an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """The providers of this process."""

    tracer_provider: TracerProvider
    meter_provider: metrics.MeterProvider

    def shutdown(self) -> None:
        """Send what is still queued, within seconds, and stop. Blocks: call it after the event loop has ended."""
        self.tracer_provider.shutdown()
        if isinstance(self.meter_provider, MeterProvider):
            self.meter_provider.shutdown()


def set_up(service_name: str, endpoint: str | None, sample_ratio: float, tls: ChannelTls | None = None) -> Telemetry:
    """Set telemetry up for this process, once. Without an endpoint nothing is recorded, but calls have trace ids."""
    telemetry = build(service_name, endpoint, sample_ratio, tls)
    trace.set_tracer_provider(telemetry.tracer_provider)
    metrics.set_meter_provider(telemetry.meter_provider)
    return telemetry


def build(service_name: str, endpoint: str | None, sample_ratio: float, tls: ChannelTls | None = None) -> Telemetry:
    """Make the providers of a service without making them those of the process."""
    resource = Resource.create({"service.name": service_name, "service.instance.id": str(uuid.uuid4())})
    if endpoint:
        return _exporting(resource, endpoint, sample_ratio, tls)
    return Telemetry(
        tracer_provider=TracerProvider(sampler=ALWAYS_OFF, resource=resource, shutdown_on_exit=False),
        meter_provider=metrics.NoOpMeterProvider(),
    )


def _exporting(resource: Resource, endpoint: str, sample_ratio: float, tls: ChannelTls | None) -> Telemetry:
    tracer_provider = TracerProvider(
        sampler=ParentBased(RootSampler(sample_ratio)), resource=resource, shutdown_on_exit=False
    )
    tracer_provider.add_span_processor(
        BatchSpanProcessor(
            _span_exporter(endpoint, tls),
            max_queue_size=SPAN_QUEUE_MAX,
            schedule_delay_millis=SPAN_DELAY_MS,
            max_export_batch_size=SPAN_BATCH_MAX,
        )
    )
    reader: MetricReader = PeriodicExportingMetricReader(
        _metric_exporter(endpoint, tls), export_interval_millis=METRIC_INTERVAL_MS
    )
    return Telemetry(
        tracer_provider=tracer_provider,
        meter_provider=MeterProvider(
            [reader],
            resource=resource,
            shutdown_on_exit=False,
            exemplar_filter=AlwaysOffExemplarFilter(),  # nobody reads them, and looking for one costs every measurement
        ),
    )


def _span_exporter(endpoint: str, tls: ChannelTls | None) -> SpanExporter:
    if tls is not None and _is_secure(endpoint):
        return TlsSpanExporter(tls, endpoint=endpoint, timeout_s=EXPORT_TIMEOUT_S)
    return OTLPSpanExporter(endpoint=endpoint, insecure=not _is_secure(endpoint), timeout=EXPORT_TIMEOUT_S)


def _metric_exporter(endpoint: str, tls: ChannelTls | None) -> MetricExporter:
    aggregation: dict[type, Any] = {Histogram: DISTRIBUTION}
    if tls is not None and _is_secure(endpoint):
        return TlsMetricExporter(tls, endpoint=endpoint, timeout_s=EXPORT_TIMEOUT_S, preferred_aggregation=aggregation)
    return OTLPMetricExporter(
        endpoint=endpoint,
        insecure=not _is_secure(endpoint),
        timeout=EXPORT_TIMEOUT_S,
        preferred_aggregation=aggregation,
    )


def _is_secure(endpoint: str) -> bool:
    return endpoint.startswith("https://")
