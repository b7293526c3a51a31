"""Telemetry goes out under the certificate that the part has now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from furlong.client.tls import LOOK_S
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from services.chassis import telemetry
from services.chassis.tls import server_credentials
from tests.papers import Office, certificate_in, channel_tls, files_of

SENT_S = 20.0


@dataclass(slots=True)
class Intake:
    """Takes OTLP, and keeps the serial number of who sent each kind."""

    port: int = 0
    traces: list[int] = field(default_factory=list)
    metrics: list[int] = field(default_factory=list)


@asynccontextmanager
async def intake(folder: Path) -> AsyncIterator[Intake]:
    taken = Intake()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        async def Export(self, _: Any, context: Any) -> Any:
            taken.traces.append(serial(context))
            return trace_service_pb2.ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        async def Export(self, _: Any, context: Any) -> Any:
            taken.metrics.append(serial(context))
            return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call] # ships no types
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call] # ships no types
    taken.port = server.add_secure_port("127.0.0.1:0", server_credentials(files_of(folder)))
    await server.start()
    try:
        yield taken
    finally:
        await server.stop(0)


def serial(context: Any) -> int:
    return x509.load_pem_x509_certificate(context.auth_context()["x509_pem_cert"][0]).serial_number


async def until_known(serials: list[int], wanted: int) -> None:
    async with asyncio.timeout(SENT_S):
        while wanted not in serials:  # noqa: ASYNC110 - exporters send when they like
            await asyncio.sleep(0.05)


async def test_spans_and_metrics_are_sent_under_the_certificate_of_now(tmp_path: Path) -> None:
    office = Office(tmp_path)
    game = office.issue("game")
    async with intake(office.issue("metrics")) as taken:
        told = telemetry.build("game", f"https://127.0.0.1:{taken.port}", 1.0, channel_tls(game, "metrics"))
        counter = told.meter_provider.get_meter("test").create_counter("told")
        for _ in range(2):
            with told.tracer_provider.get_tracer("test").start_as_current_span("work"):
                counter.add(1)
            await until_known(taken.traces, certificate_in(game).serial_number)
            await until_known(taken.metrics, certificate_in(game).serial_number)
            office.issue("game")
            await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(told.shutdown)
    assert len(set(taken.traces)) == 2


async def test_telemetry_for_metrics_goes_to_no_other_part(tmp_path: Path) -> None:
    office = Office(tmp_path)
    async with intake(office.issue("cache")) as taken:
        endpoint = f"https://127.0.0.1:{taken.port}"
        told = telemetry.build("game", endpoint, 1.0, channel_tls(office.issue("game"), "metrics"))
        with told.tracer_provider.get_tracer("test").start_as_current_span("work"):
            pass
        await asyncio.to_thread(told.shutdown)
    assert taken.traces == []
