"""What a line pays, rounded down, and the bounds that keep it inside 64 bits."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.persist.domain.bounds import DEAD_HEAT_RUNNERS_MAX, PRICE_HUNDREDTHS_MAX, STAKE_MINOR_MAX
from services.persist.domain.payout import payout_minor, ticket_payout_minor

TABLE = """
    stake     price      part   payout
    500       235        1/1    1175
    333       235        1/1    782
    1         101        1/1    1
    1         101        1/2    0
    101       235        1/2    118
    100       300        2/3    200
    2000      400        1/3    2666
    6000      600        2/4    18000
    5000      250        1/2    6250
    5000      300        3/6    7500
    2000      500        1/2    5000
    10000000  100000000  1/1    10000000000000
"""


@pytest.mark.parametrize("row", [line.split() for line in TABLE.strip().splitlines()[1:]])
def test_a_line_pays_stake_times_price_rounded_down(row: list[str]) -> None:
    stake, price, part, payout = row
    numerator, denominator = part.split("/")
    assert payout_minor(int(stake), int(price), int(numerator), int(denominator)) == int(payout)


@given(
    st.integers(1, STAKE_MINOR_MAX),
    st.integers(101, PRICE_HUNDREDTHS_MAX),
    st.integers(1, DEAD_HEAT_RUNNERS_MAX),
    st.integers(1, DEAD_HEAT_RUNNERS_MAX),
)
def test_rounding_is_the_floor_of_the_exact_fraction(stake: int, price: int, one: int, other: int) -> None:
    numerator, denominator = sorted((one, other))
    exact = Fraction(stake) * Fraction(price, 100) * Fraction(numerator, denominator)
    assert payout_minor(stake, price, numerator, denominator) == floor(exact)


def test_no_product_on_the_way_leaves_64_bits() -> None:
    assert STAKE_MINOR_MAX * PRICE_HUNDREDTHS_MAX * DEAD_HEAT_RUNNERS_MAX < 2**63


@pytest.mark.parametrize(
    ("wins_minor", "back_minor", "payout_max_minor", "paid_minor"),
    [(700, 0, 0, 700), (700, 50, 0, 750), (700, 0, 700, 700), (700, 0, 699, 699), (700, 900, 100, 1_000), (0, 9, 5, 9)],
)
def test_a_ticket_wins_no_more_than_the_greatest_payout(
    wins_minor: int, back_minor: int, payout_max_minor: int, paid_minor: int
) -> None:
    assert ticket_payout_minor(wins_minor, back_minor, payout_max_minor) == paid_minor
