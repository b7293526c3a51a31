import pytest

from services.cache.domain.found import Found, Tier
from services.cache.domain.namespace import CANARY, NAMESPACES
from services.cache.domain.outcome import Outcome
from services.cache.engine.tally import Counts, Tally


@pytest.mark.parametrize(
    ("outcome", "tier", "counted"),
    [
        (Outcome.HIT, Tier.L1, "hits_l1"),
        (Outcome.HIT, Tier.L2, "hits_l2"),
        (Outcome.STALE, Tier.L1, "stale_l1"),
        (Outcome.STALE, Tier.L2, "stale_l2"),
        (Outcome.MISS, Tier.NONE, "misses"),
        (Outcome.ABSENT, Tier.L1, "absent_l1"),
        (Outcome.ABSENT, Tier.L2, "absent_l2"),
        (Outcome.OMITTED, Tier.NONE, None),  # it is asked for again, and counted then
    ],
)
def test_each_answer_is_counted_once(outcome: Outcome, tier: Tier, counted: str | None) -> None:
    counts = Counts()
    counts.count(Found(outcome, tier=tier))
    assert counts == Counts(**({counted: 1} if counted else {}))


def test_hits_save_the_mean_of_the_loads_that_were_told() -> None:
    counts = Counts()
    counts.count(Found(Outcome.HIT, tier=Tier.L1))
    assert counts.saved_ms == 0, "nobody told how long a load takes"
    for load_ms in (100, 0, 300):
        counts.loaded(load_ms)
    for tier in (Tier.L1, Tier.L2):
        counts.count(Found(Outcome.HIT, tier=tier))
    counts.count(Found(Outcome.ABSENT, tier=Tier.L1))
    assert counts.saved_ms == 4 * 200


def test_the_canary_is_counted_apart_from_what_callers_do() -> None:
    tally = Tally()
    for name in (CANARY.name, "rounds"):
        tally.namespaces[name].count(Found(Outcome.HIT, tier=Tier.L1))
    assert [name for name, _ in tally.declared()] == sorted(NAMESPACES)
    assert [one.value for one in tally.observe()] == [1]
