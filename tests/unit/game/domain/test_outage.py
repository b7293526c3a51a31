"""The outage table, row by row: whatever the game was away across, no phase is skipped and nothing is done twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain.outage import PickUp, pick_up
from services.game.domain.phase import WAYS, Phase
from services.game.domain.timeline import Schedule
from services.game.domain.track import Source

SCHEDULE = Schedule(opens_at_ms=1_000, locks_at_ms=2_000, starts_at_ms=2_100, finishes_at_ms=3_000, ends_at_ms=3_500)

TABLE = [
    # durable   now_ms  overdue                       settles
    ("OPEN",     1_500, "",                           False),
    ("OPEN",     2_050, "LOCKED",                     False),
    ("OPEN",     2_500, "LOCKED RUNNING",             False),
    ("OPEN",     3_200, "LOCKED RUNNING FINISHED",    True),
    ("OPEN",   999_999, "LOCKED RUNNING FINISHED",    True),
    ("LOCKED",   2_050, "",                           False),
    ("LOCKED",   2_500, "RUNNING",                    False),
    ("LOCKED", 999_999, "RUNNING FINISHED",           True),
    ("RUNNING",  2_500, "",                           False),
    ("RUNNING",  3_200, "FINISHED",                   True),
    ("FINISHED", 3_200, "",                           True),
    ("FINISHED", 999_999, "",                         True),
    ("SETTLED",  3_200, "",                           False),
    ("VOID",     1_500, "",                           False),
    ("VOID",     3_200, "",                           False),
    # a clock that is behind the database's finds nothing overdue
    ("LOCKED",   1_900, "",                           False),
    ("RUNNING",  1_900, "",                           False),
    ("FINISHED", 1_900, "",                           True),
]  # fmt: skip


@pytest.mark.parametrize(("phase", "now_ms", "overdue", "settles"), TABLE)
def test_a_round_is_picked_up_by_the_table(phase: str, now_ms: int, overdue: str, settles: bool) -> None:
    expected = PickUp(overdue=tuple(Phase[name] for name in overdue.split()), settles=settles)

    assert pick_up(Phase[phase], SCHEDULE, now_ms, Source.DRAWN) == expected


ENTERED = [
    # durable   now_ms  overdue      settles
    ("OPEN",     1_500, "",          False),
    ("OPEN",     2_050, "LOCKED",    False),
    ("OPEN",   999_999, "LOCKED",    False),
    ("LOCKED",   2_500, "",          False),
    ("LOCKED", 999_999, "",          False),
    ("RUNNING",  2_500, "",          False),
    ("RUNNING",  3_200, "FINISHED",  True),
    ("FINISHED", 3_200, "",          True),
    ("VOID",     3_200, "",          False),
]  # fmt: skip


@pytest.mark.parametrize(("phase", "now_ms", "overdue", "settles"), ENTERED)
def test_a_round_whose_result_is_entered_waits_for_it_however_late(
    phase: str, now_ms: int, overdue: str, settles: bool
) -> None:
    expected = PickUp(overdue=tuple(Phase[name] for name in overdue.split()), settles=settles)

    assert pick_up(Phase[phase], SCHEDULE, now_ms, Source.ENTERED) == expected


@given(st.sampled_from(Phase), st.integers(0, 10_000), st.sampled_from(Source))
def test_overdue_transitions_follow_one_another_without_a_hole(phase: Phase, now_ms: int, source: Source) -> None:
    for after in pick_up(phase, SCHEDULE, now_ms, source).overdue:
        assert after in WAYS[phase]
        phase = after
