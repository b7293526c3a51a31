"""The gateway's span is the root of a trace, or a child of the caller's, and the service hears of it."""

import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from deploy.local.ports import LOOPBACK
from deploy.local.programs import StackSettings
from tests.contract.gateway.conftest import start_gateway
from tests.contract.gateway.fake_game import FakeGame

SPANS_WAIT_S = 10
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans and keeps them by their trace."""

    def __init__(self) -> None:
        self.spans: dict[str, Span] = {}
        self._arrived = threading.Condition()

    def Export(self, request: Any, context: Any) -> Any:
        with self._arrived:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans |= {span.trace_id.hex(): span for span in scope.spans}
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def span_of(self, trace_id: str) -> Span:
        with self._arrived:
            assert self._arrived.wait_for(lambda: trace_id in self.spans, SPANS_WAIT_S)
            return self.spans[trace_id]


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, str]]:
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    yield collector, f"http://{LOOPBACK}:{port}"
    server.stop(None).wait()


@pytest.fixture(scope="module")
def traced(
    collector: tuple[Collector, str], running_game: FakeGame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("traced")
    settings = StackSettings(data_dir=folder, otlp_endpoint=collector[1], trace_sample_ratio=1)
    part, address = start_gateway(folder, running_game.port, settings)
    with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
        yield client
    part.stop()


def test_a_call_without_a_trace_begins_one_at_the_gateway(
    traced: httpx.Client, collector: tuple[Collector, str], game: FakeGame
) -> None:
    traced.get("/v1/tracks")

    version, trace_id, parent_id, flags = game.last.metadata["traceparent"].split("-")
    span = collector[0].span_of(trace_id)
    assert (version, flags) == ("00", "01")
    assert span.span_id.hex() == parent_id
    assert span.parent_span_id == b""
    assert span.kind == Span.SPAN_KIND_SERVER
    assert span.name == "furlong.game.v1.TrackService/ListTracks"


def test_a_call_with_a_trace_continues_it(
    traced: httpx.Client, collector: tuple[Collector, str], game: FakeGame
) -> None:
    traced.get("/v1/tracks", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})

    _, trace_id, parent_id, flags = game.last.metadata["traceparent"].split("-")
    assert (trace_id, flags) == (TRACE_ID, "01")
    span = collector[0].span_of(TRACE_ID)
    assert span.span_id.hex() == parent_id
    assert span.parent_span_id.hex() == PARENT_ID


def test_a_caller_that_does_not_sample_is_followed(traced: httpx.Client, game: FakeGame) -> None:
    traced.get("/v1/tracks", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"})

    _, trace_id, _, flags = game.last.metadata["traceparent"].split("-")
    assert (trace_id, flags) == (TRACE_ID, "00")


@pytest.fixture(scope="module")
def hardly_traced(
    collector: tuple[Collector, str], running_game: FakeGame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("hardly-traced")
    settings = StackSettings(data_dir=folder, otlp_endpoint=collector[1], trace_sample_ratio=0)
    part, address = start_gateway(folder, running_game.port, settings)
    with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
        yield client
    part.stop()


def test_a_caller_that_samples_is_followed_whatever_the_ratio(hardly_traced: httpx.Client, game: FakeGame) -> None:
    hardly_traced.get("/v1/tracks", headers={"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"})

    _, trace_id, _, flags = game.last.metadata["traceparent"].split("-")
    assert (trace_id, flags) == (TRACE_ID, "01")


def test_a_call_without_a_trace_is_sampled_by_the_ratio(hardly_traced: httpx.Client, game: FakeGame) -> None:
    hardly_traced.get("/v1/tracks")

    assert game.last.metadata["traceparent"].endswith("-00")
