"""One server span per request for a page, as a child of the gateway's."""

from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.web import telemetry_names as names

SERVER_FAULT = 500
_W3C = TraceContextTextMapPropagator()


class Tracing:
    """Continues the caller's trace, or begins one."""

    def __init__(self, app: ASGIApp, tracer_provider: TracerProvider) -> None:
        self._app = app
        self._tracer = tracer_provider.get_tracer("furlong.web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        verb: str = scope["method"]
        with self._tracer.start_as_current_span(
            verb,
            context=_W3C.extract(headers, otel_context.Context()),
            kind=SpanKind.SERVER,
            attributes={names.HTTP_REQUEST_METHOD: verb, names.URL_PATH: scope["path"]},
        ) as span:

            async def send_traced(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute(names.HTTP_RESPONSE_STATUS_CODE, message["status"])
                    if message["status"] >= SERVER_FAULT:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            await self._app(scope, receive, send_traced)
