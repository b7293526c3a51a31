"""One server span and one duration per call.

A call that is not recorded pays for no span at all: whether its parent says so or, where it has none, the sample ratio
does, it only has ids, for the logs and for the calls made on its behalf. Everything that can be computed once per
method is.
"""

from collections.abc import Mapping
from random import getrandbits, random
from time import perf_counter
from typing import Any, Final

from furlong.common.v1.error_pb2 import Reason
from grpc import StatusCode
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, TraceFlags, TracerProvider
from opentelemetry.trace import StatusCode as SpanStatus
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from services.chassis import telemetry_names as names
from services.chassis.call import Call, Handler, Method
from services.chassis.outcome import code_of
from services.chassis.refusal import Refusal
from services.chassis.sampling import RECORDED_ROOT

_SERVER_FAULTS: Final = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)
_NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)
_TRACEPARENT_CHARACTERS: Final = 55
_SPAN_KEY: Final = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, otel_context.Context())))
"""Under which a context holds its span. `set_span_in_context` copies a context for each call."""
_W3C: Final = TraceContextTextMapPropagator()


class Tracing:
    """Continues the caller's trace, or begins one, and measures how long the answer took."""

    def __init__(
        self, tracer_provider: TracerProvider, meter_provider: MeterProvider, *, root_sample_ratio: float
    ) -> None:
        self._root_sample_ratio = root_sample_ratio
        self._tracer = tracer_provider.get_tracer("furlong.chassis")
        self._duration = names.RPC_SERVER_CALL_DURATION.histogram(meter_provider.get_meter("furlong.chassis"))

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""
        called = {names.RPC_SYSTEM_NAME: "grpc", names.RPC_METHOD: method.name}
        start_attributes: Mapping[str, AttributeValue] = (
            called if method.policy.deadline_ms else called | {names.FURLONG_STREAM: True}
        )
        outcomes = {code: called | _outcome(code) for code in StatusCode}
        ok = outcomes[StatusCode.OK]
        record = self._duration.record

        async def trace_call(request: Any, call: Call) -> Any:
            began_s = perf_counter()
            span = self._begin(method.name, start_attributes, call.headers)
            try:
                response = await inner(request, call)
            except BaseException as error:
                code = code_of(error, call.context)
                record(perf_counter() - began_s, outcomes[code])
                _fail(span, code, error)
                raise
            record(perf_counter() - began_s, ok)
            if span.is_recording():
                span.set_attribute(names.RPC_RESPONSE_STATUS_CODE, "OK")
                span.end()
            return response

        return trace_call

    def _begin(self, name: str, attributes: Mapping[str, AttributeValue], headers: Mapping[str, str | bytes]) -> Span:
        parent = headers.get("traceparent")
        span: Span | None
        if parent is None:
            recorded = random() < self._root_sample_ratio  # noqa: S311 - nothing is secret about a sample
            span = None if recorded else _Unrecorded()
        else:
            span = _unsampled(str(parent)) if "tracestate" not in headers else None
        if span is None:
            inherited = RECORDED_ROOT if parent is None else _W3C.extract(headers, otel_context.Context())
            span = self._tracer.start_span(name, context=inherited, kind=SpanKind.SERVER, attributes=attributes)
        otel_context.attach(otel_context.Context({_SPAN_KEY: span}))
        return span


def _outcome(code: StatusCode) -> dict[str, str]:
    """How a call ended, for the metric: a refusal is an answer, a fault of ours is an error."""
    ended = {names.RPC_RESPONSE_STATUS_CODE: code.name}
    return ended | {names.ERROR_TYPE: code.name} if code in _SERVER_FAULTS else ended


class _Unrecorded(NonRecordingSpan):
    """A part of a trace that has ids, and nothing else. Most calls end before anybody has asked for them."""

    def __init__(self, trace_id: int = 0, span_id: int = 0) -> None:
        """Continue a trace that is not recorded; begin one where its ids are 0."""
        self._ids = (trace_id, span_id)
        self._known: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        """Tell the ids, which stay what they are."""
        if self._known is None:
            trace_id, span_id = self._ids
            self._known = SpanContext(
                trace_id or getrandbits(128),
                span_id or getrandbits(64),
                is_remote=trace_id != 0,
                trace_flags=_NOT_SAMPLED,
            )
        return self._known

    def __repr__(self) -> str:
        """Tell the ids: what is inherited would look for them where they are not."""
        return f"{type(self).__name__}({self.get_span_context()!r})"


def _unsampled(parent: str) -> Span | None:
    """Read a W3C parent of version 00 that is not sampled; None leaves the parent to the SDK."""
    if len(parent) != _TRACEPARENT_CHARACTERS or not parent.startswith("00-") or not parent.endswith("-00"):
        return None
    try:
        trace_id, span_id = int(parent[3:35], 16), int(parent[36:52], 16)
    except ValueError:
        return None
    return _Unrecorded(trace_id, span_id) if trace_id and span_id else None


def _fail(span: Span, code: StatusCode, error: BaseException) -> None:
    if not span.is_recording():
        return
    span.set_attribute(names.RPC_RESPONSE_STATUS_CODE, code.name)
    span.set_attribute(names.ERROR_TYPE, code.name)
    if isinstance(error, Refusal):
        span.set_attribute(names.FURLONG_REASON, Reason.Name(error.reason))
    if code in _SERVER_FAULTS:
        span.set_status(Status(SpanStatus.ERROR))
    if code is StatusCode.INTERNAL:
        span.record_exception(error)
    span.end()
