"""Prices: what a unit staked pays, exact from the weights and rounded down once, so that the return stays below target.

A runner with weight w of W wins with probability w / W. Its fair price is W / w; at a target return of r basis points
the price is r / 10,000 of that, in hundredths of decimal odds: floor(r * W / (w * 100)).

Two bounds end what can be offered:

- A price below 1.01 would pay back no more than the stake. The runner is then so strong that no price above the stake
  keeps to the target, so there is none: its price is 0 and WIN on it is not offered. It runs all the same.
- A price is never above `PRICE_HUNDREDTHS_MAX`, so that a ticket's worth fits the books. On such an outsider the true
  return is less than the target.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.game.domain.card import Runner

PRICE_HUNDREDTHS_MIN: Final = 101
PRICE_HUNDREDTHS_MAX: Final = 10_000_000
NOT_OFFERED: Final = 0


def win_price_hundredths(*, weight: int, total_weight: int, return_bps: int) -> int:
    """Give the price to WIN in hundredths, or NOT_OFFERED."""
    price_hundredths = return_bps * total_weight // (weight * 100)
    if price_hundredths < PRICE_HUNDREDTHS_MIN:
        return NOT_OFFERED
    return min(price_hundredths, PRICE_HUNDREDTHS_MAX)


def priced(runners: Sequence[Runner], return_bps: int) -> tuple[Runner, ...]:
    """Give the same field with its prices."""
    total_weight = sum(runner.weight for runner in runners)
    return tuple(
        replace(
            runner,
            win_price_hundredths=win_price_hundredths(
                weight=runner.weight, total_weight=total_weight, return_bps=return_bps
            ),
        )
        for runner in runners
    )
