"""A flood of failures does not become a flood of lines."""

from services.chassis.line_budget import LINES_PER_S_MAX, LineBudget
from tests.clocks import ManualClock


def test_lines_beyond_the_budget_are_counted_and_told_with_the_next_one() -> None:
    clock = ManualClock()
    budget = LineBudget(clock)
    spent = [budget.spend(("m", "OVERLOADED")) for _ in range(LINES_PER_S_MAX + 3)]
    assert spent == [0] * LINES_PER_S_MAX + [None] * 3
    clock.advance_ms(1_000)
    assert [budget.spend(("m", "OVERLOADED")) for _ in range(2)] == [3, 0]


def test_one_kind_of_line_does_not_crowd_out_another() -> None:
    budget = LineBudget(ManualClock())
    for _ in range(LINES_PER_S_MAX + 1):
        budget.spend(("m", "OVERLOADED"))
    assert budget.spend(("m", "MALFORMED")) == 0
    assert budget.spend(("n", "OVERLOADED")) == 0
