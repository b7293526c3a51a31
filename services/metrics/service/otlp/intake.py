"""OTLP's TraceService and MetricsService over gRPC.

Requests are read here and not by gRPC, so that bytes that are no OTLP are refused with a reason like everything else,
and so that what is passed on goes out as it came. A message is taken whole or refused whole; what has no room is
told as OTLP tells it, by the partial success of the answer.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import grpc
from furlong.client.policy import DEADLINE_MS_MAX, MethodPolicy
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Admission, Role
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from services.chassis.hosted import Hosted
from services.chassis.refusal import Refusal
from services.metrics.engine.observatory import Observatory
from services.metrics.ports import Forward, Signal
from services.metrics.service.otlp.points import points_of
from services.metrics.service.otlp.spans import spans_of

MESSAGE_BYTES_MAX: Final = 4 * 1_024 * 1_024
"""The longest OTLP message, which is gRPC's own default and what exporters reckon with."""

CALLS_MAX: Final = 64
"""Messages that are taken in at once, so that together they stay below a quarter of a gigabyte."""

NO_ROOM: Final = "bounds of memory: see the settings METRIC_SERIES_MAX and TRACES_BYTES_MAX"

M = TypeVar("M", bound=Message)


class TraceIntake:
    """Takes spans."""

    def __init__(self, observatory: Observatory, forward: Forward) -> None:
        self._observatory = observatory
        self._forward = forward

    async def Export(self, request: bytes, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        """Take a message of spans."""
        spans = spans_of(_parsed(trace_service_pb2.ExportTraceServiceRequest, request))
        response = trace_service_pb2.ExportTraceServiceResponse()
        if dropped := self._observatory.take_spans(spans):
            response.partial_success.rejected_spans = dropped
            response.partial_success.error_message = NO_ROOM
        self._forward.offer(Signal.TRACES, request, len(spans))
        return response


class MetricsIntake:
    """Takes metric points."""

    def __init__(self, observatory: Observatory, forward: Forward) -> None:
        self._observatory = observatory
        self._forward = forward

    async def Export(self, request: bytes, context: Any) -> metrics_service_pb2.ExportMetricsServiceResponse:
        """Take a message of points."""
        points = points_of(_parsed(metrics_service_pb2.ExportMetricsServiceRequest, request))
        response = metrics_service_pb2.ExportMetricsServiceResponse()
        if dropped := self._observatory.take_points(points):
            response.partial_success.rejected_data_points = dropped
            response.partial_success.error_message = NO_ROOM
        self._forward.offer(Signal.METRICS, request, len(points))
        return response


def host_intake(observatory: Observatory, forward: Forward) -> Sequence[Hosted]:
    """Host both services for anybody who reaches the port: exporters show no tokens."""
    return (
        _host(
            TraceIntake(observatory, forward),
            trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"],
            trace_service_pb2.ExportTraceServiceResponse,
        ),
        _host(
            MetricsIntake(observatory, forward),
            metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"],
            metrics_service_pb2.ExportMetricsServiceResponse,
        ),
    )


def _host(servicer: TraceIntake | MetricsIntake, descriptor: ServiceDescriptor, response: type[Message]) -> Hosted:
    path = f"/{descriptor.full_name}/Export"

    def add(servicer: Any, server: grpc.aio.Server) -> None:
        export: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            servicer.Export, request_deserializer=None, response_serializer=response.SerializeToString
        )
        server.add_registered_method_handlers(descriptor.full_name, {"Export": export})

    policy = MethodPolicy(
        method=path,
        deadline_ms=DEADLINE_MS_MAX,
        retryable=False,
        unary=True,
        roles=frozenset((Role.ANYONE,)),
        admission=Admission.WRITE,
    )
    return Hosted(add=add, servicer=servicer, descriptor=descriptor, policies={path: policy})


def _parsed(kind: type[M], request: bytes) -> M:
    try:
        return kind.FromString(request)
    except DecodeError as error:
        raise Refusal(Reason.MALFORMED, f"these bytes are no {kind.DESCRIPTOR.full_name}") from error
