"""How large a call to the store is and how long it rests: under load it gathers, and around the off it makes way."""

import pytest

from services.game.engine.pace import (
    GATHER_CALLERS_MIN,
    GATHER_MS,
    GATHER_TICKETS,
    LAST_MS,
    LAST_TICKETS_MAX,
    OFF_REST_MS,
    TICKETS_MAX,
    Pace,
)

OFF_MS = 1_800_000_060_000
LONG_BEFORE_MS = OFF_MS - 30_000


@pytest.mark.parametrize(
    ("before_the_off_ms", "expected"),
    [
        (30_000, TICKETS_MAX),
        (LAST_MS + 1, TICKETS_MAX),
        (LAST_MS, LAST_TICKETS_MAX),
        (1, LAST_TICKETS_MAX),
        (0, TICKETS_MAX),
        (-1_000, TICKETS_MAX),
    ],
)
def test_calls_are_small_just_before_the_off(before_the_off_ms: int, expected: int) -> None:
    assert Pace(OFF_MS).tickets_max(OFF_MS - before_the_off_ms) == expected


@pytest.mark.parametrize(
    ("after_the_off_ms", "expected_s"), [(-1, 0), (0, OFF_REST_MS / 1_000), (20, 0.03), (OFF_REST_MS, 0), (5_000, 0)]
)
def test_nothing_is_sent_just_after_the_off(after_the_off_ms: int, expected_s: float) -> None:
    assert Pace(OFF_MS).rest_s(OFF_MS + after_the_off_ms, 7.0, TICKETS_MAX) == pytest.approx(expected_s)


def test_a_round_that_does_not_exist_has_no_off() -> None:
    assert Pace(None).rest_s(OFF_MS, 7.0, 1) == 0
    assert Pace(None).tickets_max(OFF_MS) == TICKETS_MAX


@pytest.mark.parametrize(
    ("callers", "later_s", "tickets", "expected_s"),
    [
        (GATHER_CALLERS_MIN, 0.0, 1, GATHER_MS / 1_000),
        (GATHER_CALLERS_MIN, 0.004, GATHER_TICKETS - 1, GATHER_MS / 1_000 - 0.004),
        (GATHER_CALLERS_MIN, 0.0, GATHER_TICKETS, 0.0),
        (GATHER_CALLERS_MIN, GATHER_MS / 1_000, 1, 0.0),
        (GATHER_CALLERS_MIN - 1, 0.0, 1, 0.0),
    ],
)
def test_a_call_gathers_after_one_that_carried_several_callers(
    callers: int, later_s: float, tickets: int, expected_s: float
) -> None:
    pace = Pace(OFF_MS)
    pace.ended(callers, 7.0)

    assert pace.rest_s(LONG_BEFORE_MS, 7.0 + later_s, tickets) == pytest.approx(expected_s)
