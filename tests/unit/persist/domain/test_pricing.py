"""What may be changed of the prices of a round, and what its runners are with them."""

from collections.abc import Mapping, Sequence

import pytest

from services.persist.domain.pricing import Market, Price, price_faults, repriced
from services.persist.domain.round import Runner

FIELD = (
    Runner(runner=1, name="Ash", weight=2, win_price_hundredths=200, place_price_hundredths=120),
    Runner(runner=4, name="Birch", weight=1, win_price_hundredths=300, place_price_hundredths=150),
)
WIN_ONLY = tuple(
    Runner(runner=each.runner, name=each.name, weight=each.weight, win_price_hundredths=each.win_price_hundredths)
    for each in FIELD
)


def price(market: Market, runner: int, price_hundredths: int = 250) -> Price:
    return Price(market=market, runner=runner, price_hundredths=price_hundredths)


def board(runners: Sequence[Runner]) -> Sequence[tuple[int, int, int]]:
    return [(each.runner, each.win_price_hundredths, each.place_price_hundredths) for each in runners]


def test_prices_that_are_named_change_and_the_others_stay() -> None:
    moved = repriced(FIELD, [price(Market.WIN, 4, 310), price(Market.PLACE, 1, 125)])

    assert board(moved) == [(1, 200, 125), (4, 310, 150)]
    assert [(each.name, each.weight) for each in moved] == [("Ash", 2), ("Birch", 1)]
    assert board(repriced(FIELD, [])) == board(FIELD)


@pytest.mark.parametrize(
    ("field", "prices", "faults"),
    [
        (FIELD, [price(Market.WIN, 1), price(Market.PLACE, 4)], {}),
        (FIELD, [price(Market.WIN, 1), price(Market.WIN, 2)], {1: "runner 2 is not in the race"}),
        (WIN_ONLY, [price(Market.PLACE, 1), price(Market.WIN, 1)], {0: "PLACE is not offered"}),
        (WIN_ONLY, [price(Market.PLACE, 9)], {0: "runner 9 is not in the race"}),
    ],
)
def test_a_price_needs_a_runner_and_a_market_that_is_offered(
    field: Sequence[Runner], prices: Sequence[Price], faults: Mapping[int, str]
) -> None:
    assert price_faults(field, prices) == faults
