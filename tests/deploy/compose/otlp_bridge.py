"""In the place of the collector of deploy/observability, for machines that have a Prometheus and no collector: takes
what metrics passes on over OTLP, and brings the figures to Prometheus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tests.deploy.compose.remote_write import encode

EXPORT = "Export"
METRICS = metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name
TRACES = trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"].full_name
HEADERS = {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
}
MESSAGE_BYTES_MAX = 8 * 1_024 * 1_024


class Bridge:
    """Counts what came, and what Prometheus said to it."""

    def __init__(self, prometheus: str) -> None:
        self._http = httpx.AsyncClient(base_url=prometheus, timeout=10, verify=False)
        self.messages = 0
        self.spans = 0
        self.refused: list[str] = []

    async def metrics(self, message: bytes, context: Any) -> bytes:
        self.messages += 1
        written = encode(metrics_service_pb2.ExportMetricsServiceRequest.FromString(message))
        reply = await self._http.post("/api/v1/write", content=written, headers=HEADERS)
        if reply.is_error:
            self.refused.append(reply.text)
        return metrics_service_pb2.ExportMetricsServiceResponse().SerializeToString()

    async def traces(self, message: bytes, context: Any) -> bytes:
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(message)
        self.spans += sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        return trace_service_pb2.ExportTraceServiceResponse().SerializeToString()

    async def close(self) -> None:
        await self._http.aclose()


@asynccontextmanager
async def bridging(port: int, prometheus: str) -> AsyncIterator[Bridge]:
    """Listen on every address of this machine, since containers come by the address of their network."""
    bridge = Bridge(prometheus)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)])
    for service, take in ((METRICS, bridge.metrics), (TRACES, bridge.traces)):
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(take)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {EXPORT: handler}),))
    server.add_insecure_port(f"0.0.0.0:{port}")
    await server.start()
    try:
        yield bridge
    finally:
        await server.stop(None)
        await bridge.close()
