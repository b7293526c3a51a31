"""The first dashboard, as code: each panel's query is written with the metrics that the services register.

    python -m deploy.observability.dashboard            write grafana/furlong.json
    python -m deploy.observability.dashboard --check    change nothing; exit 1 where the file says something else

Names are those that Prometheus makes of OpenTelemetry's. Durations are exponential histograms, which Prometheus keeps
as native ones: a quantile is within a few percent of the exact one, and there is no `le`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.cache import telemetry_names as of_cache
from services.chassis import telemetry_names as of_all
from services.chassis.telemetry_names import Metric
from services.game import telemetry_names as of_game
from services.persist import telemetry_names as of_persist

FILE: Final = Path(__file__).parent / "grafana" / "furlong.json"
UNITS: Final[Mapping[str, str]] = {"s": "_seconds", "By": "_bytes"}
"""What Prometheus adds to a name for a unit; what is counted, like {ticket}, adds nothing."""
FRESH: Final = "15s"
"""How old a gauge may be; it is sent every two seconds."""
WIDTH, HEIGHT = 8, 8
ACROSS: Final = 3


def distribution(metric: Metric) -> str:
    """Name a histogram as Prometheus has it."""
    return label(metric.name) + UNITS.get(metric.unit, "")


def gauge(metric: Metric) -> str:
    """Name a metric that goes up and down; it alone shows that it has no unit."""
    return distribution(metric) + ("_ratio" if metric.unit == "1" else "")


def total(metric: Metric) -> str:
    """Name a metric that only grows."""
    return f"{distribution(metric)}_total"


def latest(metric: Metric) -> str:
    """What a gauge is now. Nobody tells Prometheus over OTLP that a replica is gone, so the last that it said would be
    counted for five minutes more, beside the replica that took its place."""
    return f"last_over_time({gauge(metric)}[{FRESH}])"


def label(name: str) -> str:
    """Name an attribute."""
    return name.replace(".", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A graph: `query` is PromQL, `legend` names its lines by their labels, `unit` is Grafana's."""

    title: str
    query: str
    legend: str
    unit: str
    means: str
    quiet: bool = False
    """Whether it is empty while all is well."""


TRACK: Final = label(of_all.FURLONG_TRACK)
VERDICT: Final = label(of_all.FURLONG_VERDICT)
METHOD: Final = label(of_all.RPC_METHOD)
OUTCOME: Final = label(of_all.FURLONG_CACHE_OUTCOME)
TIER: Final = label(of_all.FURLONG_CACHE_TIER)
STATEMENT: Final = label(of_all.DB_OPERATION_NAME)
ERROR: Final = label(of_all.ERROR_TYPE)
CALLS: Final = distribution(of_all.RPC_SERVER_CALL_DURATION)
STATEMENTS: Final = distribution(of_all.DB_CLIENT_OPERATION_DURATION)
LATENESS: Final = distribution(of_game.LOCK_LATENESS)
LOOKUPS: Final = total(of_all.CACHE_REQUESTS)
PLACE: Final = f'{{job="game", {METHOD}="furlong.game.v1.TicketService/PlaceTickets"}}'
MOVES: Final = f'{{job="persist", {METHOD}=~".*RoundStoreService/(Open|Lock|Finish|Settle|Void)Round"}}'

FAILED: Final = f'{CALLS}{{{ERROR}!=""}}'
FAILED_FIRST: Final = f"(histogram_count({FAILED}) unless histogram_count({FAILED} offset 1m)) / 60"
"""The failures of a kind that was not there a minute ago. `rate` cannot see them: it needs two points that differ, and
the first point of a kind has its first failures in it already."""

PANELS: Final[Sequence[Panel]] = (
    Panel(
        title="Rounds",
        query=f"sum by ({METHOD}) (histogram_count(rate({CALLS}{MOVES}[1m]))) * 60",
        legend=f"{{{{{METHOD}}}}}",
        unit="cpm",
        means="Rounds a minute that are opened, locked, finished and settled. All four lines lie on one another.",
    ),
    Panel(
        title="Tickets by verdict",
        query=f"sum by ({VERDICT}) (rate({total(of_all.TICKETS)}[1m]))",
        legend=f"{{{{{VERDICT}}}}}",
        unit="cps",
        means="Tickets a second that were decided on, each once however often it was sent.",
    ),
    Panel(
        title="Placing, p99",
        query=f"histogram_quantile(0.99, sum(rate({CALLS}{PLACE}[1m])))",
        legend="p99",
        unit="s",
        means="How long PlaceTickets takes at game. The goal is below 100 ms.",
    ),
    Panel(
        title="Lock lateness, worst",
        query=f"histogram_quantile(1, sum by ({TRACK}) (rate({LATENESS}[5m])))",
        legend=f"{{{{{TRACK}}}}}",
        unit="s",
        means="How long after its time the lock of a round was durable. The goal is below 50 ms.",
    ),
    Panel(
        title="Watchers",
        query=f"sum by ({TRACK}) ({latest(of_all.WATCHERS)})",
        legend=f"{{{{{TRACK}}}}}",
        unit="short",
        means="Who watches a track, at all replicas together.",
    ),
    Panel(
        title="Cache, share of hits",
        query=(
            f'sum by ({TIER}) (rate({LOOKUPS}{{{OUTCOME}=~"hit|stale"}}[5m])) / sum by ({TIER}) (rate({LOOKUPS}[5m]))'
        ),
        legend=f"{{{{{TIER}}}}}",
        unit="percentunit",
        means="Look-ups that a tier of the cache could answer.",
    ),
    Panel(
        title="Writer queue",
        query=f"sum by (instance) ({latest(of_persist.WRITER_WAITING)})",
        legend="{{instance}}",
        unit="short",
        means="Tickets that wait to be written, at each replica of persist. It refuses at WRITER_QUEUE_MAX.",
    ),
    Panel(
        title="Liability of the round that is sold",
        query=f"max by ({TRACK}) ({latest(of_persist.LIABILITY)})",
        legend=f"{{{{{TRACK}}}}}",
        unit="short",
        means="What the round would pay if every line won, less its stakes, in minor units.",
    ),
    Panel(
        title="Statements, p99",
        query=f"histogram_quantile(0.99, sum by ({STATEMENT}) (rate({STATEMENTS}[1m])))",
        legend=f"{{{{{STATEMENT}}}}}",
        unit="s",
        means="How long PostgreSQL takes, by statement, the wait for a connection included.",
    ),
    Panel(
        title="Calls that failed",
        query=f"sum by (job, {ERROR}) ({FAILED_FIRST} or histogram_count(rate({FAILED}[1m])))",
        legend=f"{{{{job}}}} {{{{{ERROR}}}}}",
        unit="cps",
        means="Calls a second that failed by a fault of the service. Refusals are answers and not here.",
        quiet=True,
    ),
    Panel(
        title="Redis answers",
        query=f"min({latest(of_cache.REDIS_UP)})",
        legend="all replicas",
        unit="short",
        means="1 while Redis answers every replica of the cache. At 0 all answers are the same, and slower.",
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana provisions it."""
    return {
        "uid": "furlong",
        "title": "Furlong",
        "tags": ["furlong"],
        "timezone": "browser",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "prometheus"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.means,
        "datasource": source,
        "gridPos": {"w": WIDTH, "h": HEIGHT, "x": WIDTH * (number % ACROSS), "y": HEIGHT * (number // ACROSS)},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": source, "expr": panel.query, "legendFormat": panel.legend}],
    }


def rendered() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=2) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the file, or compare it."""
    if arguments == ["--check"]:
        if FILE.read_text() == rendered():
            return 0
        print(f"{FILE.name} says something else; `python -m deploy.observability.dashboard` writes it anew")
        return 1
    FILE.write_text(rendered())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
