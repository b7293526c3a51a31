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


def test_hits_save_what_loading_them_took_and_what_is_stale_or_missed_saves_nothing() -> None:
    counts = Counts()
    for outcome, tier, load_ms in (
        (Outcome.HIT, Tier.L1, 1),
        (Outcome.HIT, Tier.L1, 0),
        (Outcome.HIT, Tier.L2, 10),
        (Outcome.ABSENT, Tier.L1, 100),
        (Outcome.ABSENT, Tier.L2, 1_000),
        (Outcome.STALE, Tier.L1, 10_000),
        (Outcome.MISS, Tier.NONE, 0),
    ):
        counts.count(Found(outcome, tier=tier, load_ms=load_ms))
    assert counts.saved_ms == 1_111


def test_the_canary_is_counted_apart_from_what_callers_do() -> None:
    tally = Tally()
    for name in (CANARY.name, "rounds"):
        tally.namespaces[name].count(Found(Outcome.HIT, tier=Tier.L1))
    assert [name for name, _ in tally.declared()] == sorted(NAMESPACES)
    assert [one.value for one in tally.observe()] == [1]
