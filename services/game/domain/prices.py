"""Prices: what a unit staked pays, exact from the weights and rounded down once, so that the return stays below target.

A runner with weight w of W wins with probability w / W. Its fair price is W / w; at a target return of r basis points
the price is r / 10,000 of that, in hundredths of decimal odds: floor(r * W / (w * 100)). The price to PLACE is made in
the same way of the chance to be among the first places, which `chances` tells.

Two bounds end what can be priced:

- A price below 1.01 would pay back no more than the stake, and 1.01 itself more than the target, or even more than is
  staked. A runner so strong has no price. A card that has one to WIN is not taken; to PLACE it is not offered, which
  leaves the others as they are.
- A price is never above `PRICE_HUNDREDTHS_MAX`, so that every payout fits the books. On such an outsider the true
  return is less than the target.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.game.domain.card import Runner
from services.game.domain.chances import chances

PRICE_HUNDREDTHS_MIN: Final = 101
PRICE_HUNDREDTHS_MAX: Final = 100_000_000


def win_price_hundredths(*, weight: int, total_weight: int, return_bps: int) -> int:
    """Give the price to WIN in hundredths; below PRICE_HUNDREDTHS_MIN the runner is too strong to be priced."""
    return min(return_bps * total_weight // (weight * 100), PRICE_HUNDREDTHS_MAX)


def place_prices_hundredths(weights: tuple[int, ...], places: int, return_bps: int) -> tuple[int, ...]:
    """Give the prices to PLACE in the order of the weights; 0 for runners too strong to be priced."""
    of_field = chances(weights, places)
    prices = [
        min(return_bps * of_field.denominator // (numerator * 100), PRICE_HUNDREDTHS_MAX)
        for numerator in of_field.numerators
    ]
    return tuple(price if price >= PRICE_HUNDREDTHS_MIN else 0 for price in prices)


def priced(
    runners: Sequence[Runner], return_bps: int, places: int = 0, place_return_bps: int = 0
) -> tuple[Runner, ...]:
    """Give the same field with its prices: to WIN at `return_bps`, and to PLACE where there are `places`."""
    weights = tuple(runner.weight for runner in runners)
    total_weight = sum(weights)
    to_place = place_prices_hundredths(weights, places, place_return_bps) if places else (0,) * len(weights)
    return tuple(
        replace(
            runner,
            win_price_hundredths=win_price_hundredths(
                weight=runner.weight, total_weight=total_weight, return_bps=return_bps
            ),
            place_price_hundredths=place_price_hundredths,
        )
        for runner, place_price_hundredths in zip(runners, to_place, strict=True)
    )


def too_strong(runners: Sequence[Runner], return_bps: int) -> tuple[int, ...]:
    """Name the runners of a field that cannot be priced at this return."""
    return tuple(
        runner.runner for runner in priced(runners, return_bps) if runner.win_price_hundredths < PRICE_HUNDREDTHS_MIN
    )
