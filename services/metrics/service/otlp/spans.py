"""OTLP spans, read into our own. A message with anything wrong in it is refused as a whole."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from services.chassis import telemetry_names as names
from services.metrics.domain.span import Link, Span
from services.metrics.service.otlp.values import (
    ITEMS_MAX,
    NAME_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    malformed,
    named_texts,
    source_of,
)

ATTRIBUTES_MAX: Final = 24
LINKS_MAX: Final = 128
TICKETS_MAX: Final = 20
"""What is kept of a span; the rest is cut off."""

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    """Read every span of a message. Raises Refusal MALFORMED."""
    spans: list[Span] = []
    for n, resource_spans in enumerate(request.resource_spans):
        service = source_of(resource_spans.resource).service
        for m, scope_spans in enumerate(resource_spans.scope_spans):
            if len(spans) + len(scope_spans.spans) > ITEMS_MAX:
                raise malformed("resource_spans", f"hold more than {ITEMS_MAX} spans")
            where = f"resource_spans[{n}].scope_spans[{m}].spans"
            spans += [_span(service, span, f"{where}[{i}]") for i, span in enumerate(scope_spans.spans)]
    return spans


def _span(service: str, span: trace_pb2.Span, where: str) -> Span:
    if not _is_id(span.trace_id, TRACE_ID_BYTES):
        raise malformed(f"{where}.trace_id", f"is not {TRACE_ID_BYTES} bytes with any of them other than 0")
    if not _is_id(span.span_id, SPAN_ID_BYTES):
        raise malformed(f"{where}.span_id", f"is not {SPAN_ID_BYTES} bytes with any of them other than 0")
    if span.parent_span_id and len(span.parent_span_id) != SPAN_ID_BYTES:
        raise malformed(f"{where}.parent_span_id", f"is neither empty nor {SPAN_ID_BYTES} bytes")
    if not span.start_time_unix_nano:
        raise malformed(f"{where}.start_time_unix_nano", "is 0")
    attributes = dict(named_texts(span.attributes[:ATTRIBUTES_MAX]))
    lasted_ns = span.end_time_unix_nano - span.start_time_unix_nano  # below 0 where a clock was set back meanwhile
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        service=service,
        name=span.name[:NAME_CHARACTERS_MAX],
        started_ns=span.start_time_unix_nano,
        duration_us=max(lasted_ns, 0) // 1_000,
        error=_error(span, attributes),
        attributes=attributes,
        links=tuple(_links(span, where)),
        ticket_ids=tuple(_ticket_ids(span.attributes)),
        is_call=(
            span.kind == trace_pb2.Span.SPAN_KIND_SERVER
            and names.RPC_METHOD in attributes
            and names.FURLONG_STREAM not in attributes
        ),
    )


def _links(span: trace_pb2.Span, where: str) -> Iterator[Link]:
    for n, link in enumerate(span.links[:LINKS_MAX]):
        if not _is_id(link.trace_id, TRACE_ID_BYTES) or not _is_id(link.span_id, SPAN_ID_BYTES):
            raise malformed(f"{where}.links[{n}]", "does not name a span")
        yield Link(trace_id=link.trace_id.hex(), span_id=link.span_id.hex())


def _ticket_ids(attributes: Iterable[KeyValue]) -> Iterator[str]:
    for attribute in attributes:
        if attribute.key == names.FURLONG_TICKET_IDS:
            ids = (value.string_value for value in attribute.value.array_value.values[:TICKETS_MAX])
            yield from (each for each in ids if _UUID.fullmatch(each))


def _error(span: trace_pb2.Span, attributes: Mapping[str, str]) -> str:
    """Say what went wrong, in the most telling words that came."""
    if span.status.code != trace_pb2.Status.STATUS_CODE_ERROR:
        return ""
    words = span.status.message or attributes.get(names.FURLONG_REASON) or attributes.get(names.ERROR_TYPE) or "error"
    return words[:TEXT_CHARACTERS_MAX]


def _is_id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)
