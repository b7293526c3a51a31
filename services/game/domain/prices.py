"""Prices: what a unit staked pays, exact from the weights and rounded down once, so that the return stays below target.

A runner with weight w of W wins with probability w / W. Its fair price is W / w; at a target return of r basis points
the price is r / 10,000 of that, in hundredths of decimal odds: floor(r * W / (w * 100)).

Two bounds end what can be priced:

- A price below 1.01 would pay back no more than the stake, and 1.01 itself more than the target, or even more than is
  staked. A runner so strong has no price, and a card that has one is not taken.
- A price is never above `PRICE_HUNDREDTHS_MAX`, so that every payout fits the books. On such an outsider the true
  return is less than the target.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.game.domain.card import Runner

PRICE_HUNDREDTHS_MIN: Final = 101
PRICE_HUNDREDTHS_MAX: Final = 100_000_000


def win_price_hundredths(*, weight: int, total_weight: int, return_bps: int) -> int:
    """Give the price to WIN in hundredths; below PRICE_HUNDREDTHS_MIN the runner is too strong to be priced."""
    return min(return_bps * total_weight // (weight * 100), PRICE_HUNDREDTHS_MAX)


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


def too_strong(runners: Sequence[Runner], return_bps: int) -> tuple[int, ...]:
    """Name the runners of a field that cannot be priced at this return."""
    return tuple(
        runner.runner for runner in priced(runners, return_bps) if runner.win_price_hundredths < PRICE_HUNDREDTHS_MIN
    )
