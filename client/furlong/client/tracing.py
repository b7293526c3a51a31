"""The client's side of a trace: one span for each call, and the W3C context in its metadata.

Needs opentelemetry-api only; without an SDK nothing is recorded, and the context of the caller still travels on. The
names are those of OpenTelemetry's semantic conventions for RPC; servers use the same ones.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from opentelemetry import context, propagate, trace
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TracerProvider,
)

RPC_SYSTEM_NAME = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"

_INSTRUMENTATION = "furlong.client"


class ClientTracer:
    """Opens and closes the spans of the calls over one channel."""

    def __init__(self, target: str, provider: TracerProvider | None = None) -> None:
        self._target = target
        self._tracer = trace.get_tracer(_INSTRUMENTATION, tracer_provider=provider)

    def begin(self, method: str) -> tuple[Span, dict[str, str]]:
        """Open the span of a call of `method`, "/package.Service/Method", and make the metadata that carries it on.

        Inside a trace that is not sampled there is nothing to record: the caller's own context travels on as it is.
        """
        carrier: dict[str, str] = {}
        here = trace.get_current_span()
        if here.get_span_context().is_valid and not (
            here.is_recording() or here.get_span_context().trace_flags.sampled
        ):
            propagate.inject(carrier)
            return trace.INVALID_SPAN, carrier
        name = method.removeprefix("/")
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT)
        if span.is_recording():
            span.set_attributes({RPC_SYSTEM_NAME: "grpc", RPC_METHOD: name, SERVER_ADDRESS: self._target})
        propagate.inject(carrier, context=trace.set_span_in_context(span))
        return span, carrier


def end(span: Span, code: grpc.StatusCode) -> None:
    """Close the span of a call that ended with `code`. To a client, everything but OK is an error."""
    if span.is_recording():
        span.set_attribute(RPC_RESPONSE_STATUS_CODE, code.name)
        if code is not grpc.StatusCode.OK:
            span.set_attribute(ERROR_TYPE, code.name)
            span.set_status(Status(StatusCode.ERROR))
    span.end()


@contextmanager
def recorded() -> Iterator[str]:
    """Put all calls within into one new trace that the services record, whatever their sample ratio; gives its id.

    Inside a trace that is there already nothing is changed.
    """
    here = trace.get_current_span().get_span_context()
    if here.is_valid:
        yield trace.format_trace_id(here.trace_id)
        return
    own = SpanContext(
        trace_id=secrets.randbits(128) | 1,  # zero is no id
        span_id=secrets.randbits(64) | 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(own)))
    try:
        yield trace.format_trace_id(own.trace_id)
    finally:
        context.detach(token)
