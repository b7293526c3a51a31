"""The dashboard asks for, and the tests write, the names and labels that a real Prometheus makes of what services send.

What they are compared with was read from Prometheus 3.5, which the SDK of this project had told it over OTLP through a
Collector 0.152 with the configuration of deploy/observability.
"""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.version import __version__ as sdk_version

from deploy.observability.dashboard import distribution, gauge, total
from services.cache import telemetry_names as of_cache
from services.chassis import telemetry_names as of_all
from services.chassis.telemetry import DISTRIBUTION
from services.chassis.telemetry_names import Metric
from services.game import telemetry_names as of_game
from services.persist import telemetry_names as of_persist
from tests.deploy.compose import remote_write

SEEN: Final = (
    ("gauge", "furlong.watchers", "{watcher}", "furlong_watchers"),
    ("gauge", "furlong.round.liability_minor", "{minor_unit}", "furlong_round_liability_minor"),
    ("gauge", "furlong.cache.evicted_age", "s", "furlong_cache_evicted_age_seconds"),
    ("gauge", "furlong.cache.size", "By", "furlong_cache_size_bytes"),
    ("gauge", "furlong.cache.redis.up", "1", "furlong_cache_redis_up_ratio"),
    ("sum", "furlong.tickets", "{ticket}", "furlong_tickets_total"),
    ("sum", "furlong.cache.saved", "s", "furlong_cache_saved_seconds_total"),
    ("sum", "furlong.cache.size", "By", "furlong_cache_size_bytes_total"),
    ("sum", "furlong.cache.redis.up", "1", "furlong_cache_redis_up_total"),
    ("histogram", "rpc.server.call.duration", "s", "rpc_server_call_duration_seconds"),
    ("histogram", "furlong.lock.lateness", "s", "furlong_lock_lateness_seconds"),
    ("histogram", "furlong.cache.size", "By", "furlong_cache_size_bytes"),
    ("histogram", "furlong.cache.redis.up", "1", "furlong_cache_redis_up"),
)
"""Kind, name and unit of an instrument, and the name of its series."""
ASKED: Final[Mapping[str, Callable[[Metric], str]]] = {"gauge": gauge, "sum": total, "histogram": distribution}
WHENCE: Final = {"job": "persist", "instance": "94af2b38"}


@pytest.mark.parametrize(("kind", "name", "unit", "seen"), SEEN)
def test_names_are_those_that_prometheus_makes(kind: str, name: str, unit: str, seen: str) -> None:
    assert ASKED[kind](Metric(name=name, unit=unit, brief="")) == seen
    assert remote_write.named(name, unit, grows=kind == "sum", is_gauge=kind == "gauge") == seen


def test_a_unit_that_is_used_was_seen() -> None:
    registered = (*of_all.METRICS, *of_cache.METRICS, *of_game.METRICS, *of_persist.METRICS)

    assert {metric.unit for metric in registered if not metric.unit.startswith("{")} <= {unit for _, _, unit, _ in SEEN}


def test_labels_are_those_that_prometheus_makes() -> None:
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: DISTRIBUTION})
    resource = Resource.create({"service.name": WHENCE["job"], "service.instance.id": WHENCE["instance"]})
    provider = MeterProvider([reader], resource=resource)
    meter = provider.get_meter("furlong.persist")
    of_all.TICKETS.growing(
        meter, lambda: [Observation(5, {of_all.FURLONG_TRACK: "ascot", of_all.FURLONG_VERDICT: "ACCEPTED"})]
    )
    of_persist.WRITER_WAITING.gauge(meter, lambda: [Observation(0)])
    called = {of_all.RPC_METHOD: "furlong.game.v1.TicketService/PlaceTickets", of_all.RPC_RESPONSE_STATUS_CODE: "OK"}
    of_all.RPC_SERVER_CALL_DURATION.histogram(meter).record(0.01, {of_all.RPC_SYSTEM_NAME: "grpc", **called})
    told = reader.get_metrics_data()
    provider.shutdown()
    assert told is not None

    written = {labels["__name__"]: labels for labels, _ in remote_write.series(encode_metrics(told))}

    assert written == {
        name: {"__name__": name, **WHENCE, **labels}
        for name, labels in {
            "furlong_tickets_total": {"furlong_track": "ascot", "furlong_verdict": "ACCEPTED"},
            "furlong_persist_writer_waiting": {},
            "rpc_server_call_duration_seconds": {
                "rpc_system_name": "grpc",
                "rpc_method": "furlong.game.v1.TicketService/PlaceTickets",
                "rpc_response_status_code": "OK",
            },
            "target_info": {
                "telemetry_sdk_language": "python",
                "telemetry_sdk_name": "opentelemetry",
                "telemetry_sdk_version": sdk_version,
            },
        }.items()
    }
