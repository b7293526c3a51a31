"""A result fits the field of its round or is told why not; two that say the same are one."""

from dataclasses import replace

import pytest

from services.game.domain.phase import Phase
from services.game.domain.race_result import RaceResult, fault, normal
from tests.rounds import stored_round

LOCKED = stored_round(Phase.LOCKED).round
ROUND = replace(LOCKED, runners=tuple(replace(LOCKED.runners[0], runner=runner) for runner in (1, 2, 4, 7)))

TABLE = [
    # order         positions      withdrawn   what is wrong
    ((4, 1, 2, 7),  (),            (),         ""),
    ((4, 1, 2, 7),  (1, 2, 3, 4),  (),         ""),
    ((4, 1, 2, 7),  (1, 1, 3, 4),  (),         ""),
    ((4, 1, 2, 7),  (1, 1, 1, 1),  (),         ""),
    ((4, 1, 2, 7),  (1, 2, 2, 4),  (),         ""),
    ((4, 1, 2, 7),  (1, 2, 2, 0),  (),         ""),
    ((4, 1, 2, 7),  (1, 0, 0, 0),  (),         ""),
    ((4, 1),        (),            (2, 7),     ""),
    ((4, 1),        (1, 1),        (7, 2),     ""),
    ((4, 1, 2),     (),            (),         "result"),
    ((4, 1, 2, 2),  (),            (),         "result"),
    ((4, 1, 2, 3),  (),            (),         "result"),
    ((4, 1, 2, 7),  (),            (7,),       "result"),
    ((4, 1, 2),     (),            (3,),       "withdrawn"),
    ((4, 1, 2),     (),            (7, 7),     "withdrawn"),
    ((4, 1, 2, 7),  (1, 2, 3),     (),         "positions"),
    ((4, 1, 2, 7),  (1, 1, 2, 3),  (),         "positions"),
    ((4, 1, 2, 7),  (1, 2, 2, 3),  (),         "positions"),
    ((4, 1, 2, 7),  (1, 3, 3, 4),  (),         "positions"),
    ((4, 1, 2, 7),  (2, 2, 3, 4),  (),         "positions"),
    ((4, 1, 2, 7),  (1, 2, 1, 4),  (),         "positions"),
    ((4, 1, 2, 7),  (1, 0, 3, 4),  (),         "positions"),
    ((4, 1, 2, 7),  (0, 0, 0, 0),  (),         "positions"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "positions", "withdrawn", "wrong"), TABLE)
def test_a_result_fits_its_field_or_is_told_why_not(
    order: tuple[int, ...], positions: tuple[int, ...], withdrawn: tuple[int, ...], wrong: str
) -> None:
    found = fault(RaceResult(order=order, positions=positions, withdrawn=withdrawn), ROUND)
    assert (found.field if found else "") == wrong


def test_positions_that_say_nothing_and_the_order_of_the_withdrawn_make_no_other_result() -> None:
    said = RaceResult(order=(4, 1), positions=(1, 2), withdrawn=(7, 2))
    assert normal(said) == RaceResult(order=(4, 1), withdrawn=(2, 7))
    heat = RaceResult(order=(4, 1), positions=(1, 1), withdrawn=(2, 7))
    assert normal(heat) == heat
