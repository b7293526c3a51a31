"""The dashboard asks for what the services send."""

import json
from collections import Counter

from deploy.observability.dashboard import FILE, PANELS, gauge, rendered, total
from services.chassis.telemetry_names import Metric


def test_the_file_says_what_the_code_says() -> None:
    assert FILE.read_text() == rendered(), "run `python -m deploy.observability.dashboard`"


def test_names_are_those_that_prometheus_makes() -> None:
    def named(name: str, unit: str) -> Metric:
        return Metric(name=name, unit=unit, brief="")

    assert total(named("furlong.tickets", "{ticket}")) == "furlong_tickets_total"
    assert gauge(named("rpc.server.call.duration", "s")) == "rpc_server_call_duration_seconds"
    assert gauge(named("furlong.cache.size", "By")) == "furlong_cache_size_bytes"
    assert gauge(named("furlong.cache.redis.up", "1")) == "furlong_cache_redis_up_ratio"


def test_panels_are_told_apart_and_do_not_cover_one_another() -> None:
    panels = json.loads(FILE.read_text())["panels"]
    places = Counter((panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels)

    assert len({panel.title for panel in PANELS}) == len(PANELS)
    assert set(places.values()) == {1}
    assert all(panel.means for panel in PANELS)
