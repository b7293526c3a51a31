"""What operators see: every figure that GetStats has is a metric as well, registered and with what it means."""

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from services.cache import telemetry_names as names
from services.cache.domain.entry import Entry, Key
from services.cache.domain.found import Found, Tier
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import CANARY
from services.cache.domain.outcome import Outcome
from services.cache.engine.canary import Canary
from services.cache.engine.link import Link
from services.cache.engine.sight import Sight
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from services.chassis import telemetry_names as shared
from tests.clocks import ManualClock

NOW_MS = 1_800_000_000_000


def sight(*, redis: bool) -> Sight:
    link, tally, memory, clock = (
        Link(configured=redis, known=0),
        Tally(),
        Memory(MIB, {"tickets": 4_000}),
        ManualClock(),
    )
    tiers = Tiers(memory=memory, link=link, store=None, watchers=Watchers(link=link), tally=tally, clock=clock)
    topics = Topics(store=None, link=link)
    canary = Canary(tiers=tiers, topics=topics, link=link, clock=clock, replica="one", interval_s=1)
    return Sight(tally=tally, memory=memory, link=link, canary=canary if redis else None)


MIB = 1024 * 1024


def metrics_of(seen: Sight) -> dict[tuple[str, str], Any]:
    """Every point that is reported now, by metric and namespace."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader])
    seen.report_to(meters.get_meter("test"))
    if seen.canary is not None:
        seen.canary.on_lag(0.004)
    data = reader.get_metrics_data()
    meters.shutdown()
    if data is None:
        return {}
    return {
        (metric.name, str((point.attributes or {}).get(shared.FURLONG_CACHE_NAMESPACE, ""))): point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def test_every_figure_is_a_metric() -> None:
    seen = sight(redis=True)
    counts = seen.tally.namespaces["tickets"]
    counts.count(Found(Outcome.HIT, tier=Tier.L1, load_ms=2_000))
    counts.leases, counts.waits, counts.fills_refused, counts.invalidations = 3, 4, 5, 6
    for n in range(5):
        entry = Entry(1, n, NOW_MS - 1_500, NOW_MS + 1, NOW_MS + 1, (), bytes(1_000))
        seen.memory.put(Key("tickets", f"{n}"), entry, NOW_MS)
    seen.link.owe("rounds")
    assert seen.canary is not None
    seen.canary.reads, seen.canary.stale_reads = 7, 1

    found = metrics_of(seen)

    share = seen.memory.share("tickets")
    assert found[names.ENTRIES.name, "tickets"].value == share.entries
    assert found[names.BYTES.name, "tickets"].value == share.bytes
    assert found[names.EVICTIONS.name, "tickets"].value == share.evictions == 5 - share.entries
    assert found[names.EVICTED_AGE.name, "tickets"].value == 1.5
    assert found[names.SAVED.name, "tickets"].value == 2
    assert [found[each.name, "tickets"].value for each in (names.LEASES, names.WAITS, names.FILLS_REFUSED)] == [3, 4, 5]
    assert found[names.INVALIDATIONS.name, "tickets"].value == 6
    assert found[names.REDIS_UP.name, ""].value == 0
    assert found[names.OWED.name, ""].value == 1
    assert found[names.CANARY_READS.name, ""].value == 7
    assert found[names.STALE_READS.name, ""].value == 1
    assert found[names.LAG.name, ""].sum == pytest.approx(0.004)
    assert {name for name, _ in found} == {metric.name for metric in (*names.METRICS, shared.CACHE_REQUESTS)}


def test_without_redis_nothing_is_said_of_it_and_what_did_nothing_is_left_out() -> None:
    seen = sight(redis=False)
    seen.tally.namespaces[CANARY.name].count(Found(Outcome.HIT, tier=Tier.L1))
    assert metrics_of(seen) == {}


def test_no_name_stands_twice_and_attributes_are_registered() -> None:
    registered = [metric.name for metric in (*names.METRICS, *shared.METRICS)]
    assert len(registered) == len(set(registered))
    known = {attribute.name for attribute in (*names.ATTRIBUTES, *shared.ATTRIBUTES)}
    assert all(known.issuperset(metric.attributes) and metric.brief for metric in names.METRICS)
