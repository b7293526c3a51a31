"""The picture of a race ends as the result says, and nobody runs backwards."""

from itertools import pairwise

import pytest

from deploy.local.demo.race import positions

RESULT = (4, 1, 7, 2, 3, 6, 5)


@pytest.mark.parametrize("round_id", [1, 17, 4_000_000_000])
def test_the_runners_finish_in_the_order_of_the_result(round_id: int) -> None:
    where = positions(RESULT, round_id, 1.0)

    assert sorted(where, key=lambda runner: -where[runner]) == list(RESULT)
    assert where[RESULT[0]] == 1.0


def test_all_start_from_one_line() -> None:
    assert set(positions(RESULT, 17, 0.0).values()) == {0.0}


@pytest.mark.parametrize("round_id", range(20))
def test_nobody_runs_backwards_or_past_the_post(round_id: int) -> None:
    steps = [positions(RESULT, round_id, step / 100) for step in range(101)]

    for earlier, later in pairwise(steps):
        assert all(earlier[runner] <= later[runner] <= 1.0 for runner in RESULT)


def test_everybody_who_draws_it_sees_the_same_race() -> None:
    assert positions(RESULT, 17, 0.4) == positions(RESULT, 17, 0.4)
    assert positions(RESULT, 17, 0.4) != positions(RESULT, 18, 0.4)


@pytest.mark.parametrize("share", [-3.0, 2.0])
def test_a_clock_that_is_off_moves_nobody_off_the_course(share: float) -> None:
    assert all(0.0 <= at <= 1.0 for at in positions(RESULT, 17, share).values())
