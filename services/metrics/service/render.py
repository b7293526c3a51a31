"""Our figures and traces as messages."""

from typing import Final

from furlong.metrics.v1 import metrics_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from services.metrics.domain.latency import Latency
from services.metrics.domain.slow_calls import SlowCall
from services.metrics.domain.snapshot import Snapshot
from services.metrics.domain.traces import Step, Summary
from services.metrics.engine.observatory import Story

INT64_MAX: Final = 2**63 - 1


def snapshot(figures: Snapshot) -> pb.Snapshot:
    """Render a snapshot."""
    at = Timestamp()
    at.FromMilliseconds(figures.at_ms)
    return pb.Snapshot(
        at=at,
        window_ms=figures.window_ms,
        methods=[
            pb.MethodFigures(service=each.service, method=each.method, latency=_latency(each.latency))
            for each in figures.methods
        ],
        statements=[
            pb.StatementFigures(statement=each.statement, latency=_latency(each.latency)) for each in figures.statements
        ],
        cache=[
            pb.CacheFigures(
                namespace=each.namespace, tier=each.tier, hits=_int64(each.hits), misses=_int64(each.misses)
            )
            for each in figures.cache
        ],
        tracks=[
            pb.TrackFigures(
                track=each.track,
                tickets=_int64(each.tickets),
                refused=_int64(each.refused),
                stake_minor=_int64(each.stake_minor),
                watchers=_int64(each.watchers),
            )
            for each in figures.tracks
        ],
        dropped=figures.dropped,
        evicted=figures.evicted,
        forward_dropped=figures.forward_dropped,
    )


def slow_call(call: SlowCall) -> pb.SlowCall:
    """Render a slow call."""
    return pb.SlowCall(
        trace_id=call.trace_id,
        span_id=call.span_id,
        service=call.service,
        name=call.name,
        started_at=_moment(call.started_ns),
        duration_us=call.duration_us,
        error=call.error,
    )


def trace(story: Story) -> pb.Trace:
    """Render a trace."""
    return pb.Trace(trace_id=story.trace_id, spans=[_span(step) for step in story.steps])


def summary(summary: Summary) -> pb.TraceSummary:
    """Render a trace in a line."""
    return pb.TraceSummary(
        trace_id=summary.trace_id,
        name=summary.root.name,
        started_at=_moment(summary.root.started_ns),
        duration_us=summary.root.duration_us,
        spans=summary.spans,
        error=summary.root.error,
    )


def _span(step: Step) -> pb.Span:
    span = step.span
    return pb.Span(
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        service=span.service,
        name=span.name,
        started_at=_moment(span.started_ns),
        duration_us=span.duration_us,
        error=span.error,
        attributes=span.attributes,
        linked_trace_ids=dict.fromkeys(link.trace_id for link in span.links),
        trace_id=span.trace_id,
        via_span_id=step.via_span_id,
    )


def _latency(latency: Latency) -> pb.Latency:
    return pb.Latency(
        count=_int64(latency.count),
        errors=_int64(latency.errors),
        p50_us=_int64(latency.p50_us),
        p95_us=_int64(latency.p95_us),
        p99_us=_int64(latency.p99_us),
        max_us=_int64(latency.max_us),
    )


def _moment(at_ns: int) -> Timestamp:
    return Timestamp(seconds=at_ns // 1_000_000_000, nanos=at_ns % 1_000_000_000)


def _int64(number: int) -> int:
    """Keep a sum of what others claim within what the wire can say."""
    return min(max(number, -INT64_MAX), INT64_MAX)
