"""Spans of commands that several callers may share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace

from services.cache.telemetry_names import DB_OPERATION_BATCH_SIZE, SPAN_REDIS_PREFIX
from services.chassis.telemetry_names import DB_OPERATION_NAME, DB_SYSTEM_NAME

_tracer = trace.get_tracer(__name__)


@contextmanager
def redis_span(name: str, callers: Sequence[trace.SpanContext], size: int) -> Iterator[None]:
    """A span below the first caller that is traced, linked to all of them; none where nobody is."""
    if not callers:
        yield
        return
    attributes: dict[str, Any] = {DB_SYSTEM_NAME: "redis", DB_OPERATION_NAME: name}
    if size > 1:
        attributes[DB_OPERATION_BATCH_SIZE] = size
    with _tracer.start_as_current_span(
        SPAN_REDIS_PREFIX + name,
        context=trace.set_span_in_context(trace.NonRecordingSpan(callers[0])),
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        links=[trace.Link(caller) for caller in callers],
    ):
        yield
