"""Prices that move: what may be changed of the prices of a round, and what its runners are with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from services.persist.domain.round import Runner


class Market(IntEnum):
    """The markets whose prices stand with the runners. The numbers are those of the wire."""

    WIN = 1
    PLACE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a runner is offered at in a market."""

    market: Market
    runner: int
    price_hundredths: int


def price_faults(runners: Sequence[Runner], prices: Sequence[Price]) -> Mapping[int, str]:
    """Say in words what is wrong with prices, by their place; a runner has a price in a market or will have none."""
    numbered = {runner.runner: runner for runner in runners}
    faults: dict[int, str] = {}
    for place, price in enumerate(prices):
        runner = numbered.get(price.runner)
        if runner is None:
            faults[place] = f"runner {price.runner} is not in the race"
        elif price.market is Market.PLACE and not runner.place_price_hundredths:
            faults[place] = "PLACE is not offered"
    return faults


def repriced(runners: Sequence[Runner], prices: Sequence[Price]) -> Sequence[Runner]:
    """Give the runners with prices that are without fault; those that are not named keep theirs."""
    new = {(price.market, price.runner): price.price_hundredths for price in prices}
    return [
        replace(
            runner,
            win_price_hundredths=new.get((Market.WIN, runner.runner), runner.win_price_hundredths),
            place_price_hundredths=new.get((Market.PLACE, runner.runner), runner.place_price_hundredths),
        )
        for runner in runners
    ]
