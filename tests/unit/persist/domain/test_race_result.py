"""A result fits its field or is told why not; two that say the same are one."""

import pytest

from services.persist.domain.race_result import RaceResult, fault, normal

FIELD = (1, 2, 4, 7)

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
    found = fault(RaceResult(order=order, positions=positions, withdrawn=withdrawn), FIELD)
    assert (found[0] if found else "") == wrong


def test_positions_that_say_nothing_and_the_order_of_the_withdrawn_make_no_other_result() -> None:
    said = RaceResult(order=[4, 1], positions=[1, 2], withdrawn=[7, 2])
    assert normal(said) == RaceResult(order=(4, 1), withdrawn=(2, 7))
    heat = RaceResult(order=(4, 1), positions=(1, 1), withdrawn=(2, 7))
    assert normal(heat) == heat
