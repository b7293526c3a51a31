"""What the dashboard shows of replicas that go and of calls that fail, asked of a real Prometheus without a stack."""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from deploy.observability.dashboard import PANELS
from services.cache.telemetry_names import REDIS_UP
from services.chassis.telemetry_names import (
    ERROR_TYPE,
    FURLONG_TRACK,
    RPC_METHOD,
    RPC_SERVER_CALL_DURATION,
    WATCHERS,
    Metric,
)
from tests.deploy.compose import prometheus
from tests.deploy.compose.otlp_bridge import HEADERS
from tests.deploy.compose.remote_write import encode

NS_PER_S = 1_000_000_000
INTERVAL_S = 2


@pytest.fixture(scope="module")
def asked(engine_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    program = prometheus.program(engine_cache / "newer")
    with (
        prometheus.running(program, tmp_path_factory.mktemp("queries")) as address,
        httpx.Client(base_url=address, verify=False) as client,
    ):
        yield client


def test_a_replica_that_is_gone_does_not_count(asked: httpx.Client) -> None:
    now_s = int(time.time())
    both, one = range(now_s - 90, now_s - 30, INTERVAL_S), range(now_s - 90, now_s, INTERVAL_S)
    for instance, at_s, watchers, is_up in (("gone", both, 3, 0), ("here", one, 2, 1)):
        tell(asked, "game", instance, WATCHERS, at_s, {FURLONG_TRACK: "ascot"}, watchers)
        tell(asked, "cache", instance, REDIS_UP, at_s, {}, is_up)

    assert shown(asked, "Watchers", now_s - 40) == [({"furlong_track": "ascot"}, 5.0)]
    assert shown(asked, "Redis answers", now_s - 40) == [({}, 0.0)]
    assert shown(asked, "Watchers", now_s) == [({"furlong_track": "ascot"}, 2.0)]
    assert shown(asked, "Redis answers", now_s) == [({}, 1.0)]


def test_the_first_call_that_fails_is_shown_for_a_minute(asked: httpx.Client) -> None:
    now_s = int(time.time())
    failed = {RPC_METHOD: "furlong.game.v1.TicketService/PlaceTickets", ERROR_TYPE: "UNAVAILABLE"}
    tell(asked, "game", "here", RPC_SERVER_CALL_DURATION, range(now_s - 120, now_s, INTERVAL_S), failed)

    whose = {"job": "game", "error_type": "UNAVAILABLE"}
    assert shown(asked, "Calls that failed", now_s - 130) == []
    [(failing, calls_per_s)] = shown(asked, "Calls that failed", now_s - 90)
    assert failing == whose
    assert calls_per_s == pytest.approx(1 / 60)
    assert shown(asked, "Calls that failed", now_s) == [(whose, 0.0)]


def tell(
    client: httpx.Client,
    job: str,
    instance: str,
    metric: Metric,
    at_s: Iterable[int],
    attributes: Mapping[str, str],
    value: int | None = None,
) -> None:
    """Bring a gauge's value, or a histogram with one call in it, as it was sent at each of some times."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for key, name in (("service.name", job), ("service.instance.id", instance)):
        resource.resource.attributes.add(key=key).value.string_value = name
    written = resource.scope_metrics.add().metrics.add(name=metric.name, unit=metric.unit)
    for each_s in at_s:
        point: Any
        if value is None:
            point = written.exponential_histogram.data_points.add(count=1, sum=0.01, scale=3)
            point.positive.offset = -54
            point.positive.bucket_counts.append(1)
        else:
            point = written.gauge.data_points.add(as_int=value)
        point.time_unix_nano = each_s * NS_PER_S
        for key, text in attributes.items():
            point.attributes.add(key=key).value.string_value = text
    client.post("/api/v1/write", content=encode(request), headers=HEADERS).raise_for_status()


def shown(client: httpx.Client, title: str, at_s: int) -> list[tuple[dict[str, str], float]]:
    """The lines of a panel at a time: their labels and values."""
    [panel] = [panel for panel in PANELS if panel.title == title]
    reply = client.get("/api/v1/query", params={"query": panel.query, "time": at_s}).json()
    assert reply["status"] == "success", reply
    return [(each["metric"], float(each["value"][1])) for each in reply["data"]["result"]]
