"""Chances: with which probability a runner is among the first so many, exact from the weights.

The draw places one runner after another by weight, so with weights w of sum W the chance of j, l, i in this order is
w_j / W * w_l / (W - w_j) * w_i / (W - w_j - w_l). To be third at the latest is the sum of such chances over all that
may come before. The parts of one runner differ only by its weight and by the pairs that it is in itself, so that the
sums over all pairs are made once for the whole field: the work grows with the square of the runners, not with the cube
or worse. All are counted over one denominator, common to the field; nothing is rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import lcm
from typing import Final

PLACES_MAX: Final = 3
"""The sums go no further than pairs of runners that come before."""

FIELDS_KEPT_MAX: Final = 512
"""Fields whose chances are remembered, some kilobytes each: they are asked for at each look at a round, and a page of
rounds has as many fields as there are cards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Chances of the runners of a field, in its order: `numerators` over the `denominator`, not in lowest terms."""

    numerators: tuple[int, ...]
    denominator: int

    def of(self, place: int) -> Fraction:
        """Give the chance of the runner at a place of the field, from 0."""
        return Fraction(self.numerators[place], self.denominator)


@lru_cache(maxsize=FIELDS_KEPT_MAX)
def chances(weights: tuple[int, ...], places: int) -> Chances:
    """Give the chance of each runner to be among the first `places`, 1 to 3 and no more than there are runners."""
    assert 1 <= places <= min(PLACES_MAX, len(weights)), f"{len(weights)} runners, {places} places"
    total = sum(weights)
    after_one = [total - weight for weight in weights]
    over_one = lcm(*after_one) if places > 1 else 1
    over_two = lcm(*{total - one - other for one, other in combinations(weights, 2)}) if places > 2 else 1
    before = [over_one * over_two] * len(weights)
    if places > 1:
        firsts = [weight * (over_one // after) * over_two for weight, after in zip(weights, after_one, strict=True)]
        before = _more(before, sum(firsts), firsts)
    if places > 2:
        before = _more(before, *_pairs(weights, total, after_one, over_one * over_two))
    numerators = tuple(weight * each for weight, each in zip(weights, before, strict=True))
    denominator = total * over_one * over_two
    assert sum(numerators) == places * denominator, "as many runners are placed as there are places"
    return Chances(numerators=numerators, denominator=denominator)


def _pairs(weights: Sequence[int], total: int, after_one: Sequence[int], common: int) -> tuple[int, Sequence[int]]:
    """Sum over the pairs that may be the first two, in either order: all of them, and those with each runner.

    `common` has thousands of digits and everything else a few, so what is multiplied with it has to be small: the two
    orders of a pair are brought together first, and it is divided once, without a rest.
    """
    everyone = 0
    with_runner = [0] * len(weights)
    for (one, weight), (other, more) in combinations(enumerate(weights), 2):
        first, second, after_both = after_one[one], after_one[other], total - weight - more
        pair = weight * more * (common * (first + second) // (first * second * after_both))
        everyone += pair
        with_runner[one] += pair
        with_runner[other] += pair
    return everyone, with_runner


def _more(before: Sequence[int], everyone: int, with_runner: Sequence[int]) -> list[int]:
    """Add what others make of the next place: everyone's part less that in which the runner is itself."""
    return [sum_ + everyone - own for sum_, own in zip(before, with_runner, strict=True)]
