"""Phase and next transition follow from the schedule alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain.phase import WAYS, WITH_RESULT, WITH_SEED, Phase
from services.game.domain.screen import SCREENS, Screen
from services.game.domain.timeline import Due, Schedule, next_due, next_round_opens_at_ms, phase_by_time

SCHEDULE = Schedule(opens_at_ms=1_000, locks_at_ms=2_000, starts_at_ms=2_100, finishes_at_ms=3_000, ends_at_ms=3_500)


@pytest.mark.parametrize(
    ("now_ms", "phase"),
    [
        (999,    "OPEN"),
        (1_000,  "OPEN"),
        (1_999,  "OPEN"),
        (2_000,  "LOCKED"),
        (2_099,  "LOCKED"),
        (2_100,  "RUNNING"),
        (2_999,  "RUNNING"),
        (3_000,  "FINISHED"),
        (99_999, "FINISHED"),
    ],
)  # fmt: skip
def test_time_tells_the_phase(now_ms: int, phase: str) -> None:
    assert phase_by_time(SCHEDULE, now_ms) is Phase[phase]


@pytest.mark.parametrize(
    ("phase", "due", "next_opens_at_ms"),
    [
        ("OPEN",     ("LOCKED", 2_000),   None),
        ("LOCKED",   ("RUNNING", 2_100),  None),
        ("RUNNING",  ("FINISHED", 3_000), None),
        ("FINISHED", None,                3_500),
        ("SETTLED",  None,                3_500),
        ("VOID",     None,                1_234),
    ],
)  # fmt: skip
def test_a_phase_tells_what_is_due_next(phase: str, due: tuple[str, int] | None, next_opens_at_ms: int | None) -> None:
    expected = None if due is None else Due(phase=Phase[due[0]], at_ms=due[1])

    assert next_due(Phase[phase], SCHEDULE) == expected
    assert next_round_opens_at_ms(Phase[phase], SCHEDULE, now_ms=1_234) == next_opens_at_ms


@given(st.lists(st.integers(0, 5_000), min_size=2))
def test_time_never_takes_a_phase_back(instants: list[int]) -> None:
    phases = [phase_by_time(SCHEDULE, now_ms) for now_ms in sorted(instants)]

    assert phases == sorted(phases)


def test_what_is_due_next_is_always_a_way_that_exists() -> None:
    for phase in Phase:
        due = next_due(phase, SCHEDULE)
        assert due is None or due.phase in WAYS[phase]


def test_no_way_leads_back_or_past_a_phase() -> None:
    assert all(after > before for before, ways in WAYS.items() for after in ways)
    assert all(after == before + 1 or after is Phase.VOID for before, ways in WAYS.items() for after in ways)
    assert {before for before, ways in WAYS.items() if Phase.VOID in ways} == {Phase.OPEN, Phase.LOCKED}


def test_a_schedule_out_of_order_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="out of order"):
        Schedule(opens_at_ms=1, locks_at_ms=3, starts_at_ms=2, finishes_at_ms=4, ends_at_ms=5)


@pytest.mark.parametrize(
    ("phase", "screen", "result_shown", "seed_shown"),
    [
        ("OPEN",     "GAME",    False, False),
        ("LOCKED",   "GAME",    False, False),
        ("RUNNING",  "MOVIE",   True,  False),
        ("FINISHED", "FINISH",  True,  True),
        ("SETTLED",  "FINISH",  True,  True),
        ("VOID",     "NOTHING", False, False),
    ],
)  # fmt: skip
def test_a_phase_tells_what_is_shown(phase: str, screen: str, result_shown: bool, seed_shown: bool) -> None:
    assert SCREENS[Phase[phase]] is Screen[screen]
    assert (Phase[phase] in WITH_RESULT) == result_shown
    assert (Phase[phase] in WITH_SEED) == seed_shown
