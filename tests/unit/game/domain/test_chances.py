"""Chances are exact: they are those of the draw, place by place, and add up to the places that there are."""

from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.game.domain.chances import chances

NOTES = (29, 34, 11, 7, 14, 5)


def by_every_order(weights: tuple[int, ...], places: int) -> list[Fraction]:
    """The same by going through every finishing order, which is slow and cannot be wrong."""
    found = [Fraction(0)] * len(weights)
    for order in permutations(range(len(weights))):
        chance, left = Fraction(1), sum(weights)
        for runner in order:
            chance *= Fraction(weights[runner], left)
            left -= weights[runner]
        for runner in order[:places]:
            found[runner] += chance
    return found


@pytest.mark.parametrize(("places", "chance"), [(1, Fraction(29, 100)), (2, "0.559537"), (3, "0.773511")])
def test_the_favourite_of_the_notes_is_placed_as_often_as_they_say(places: int, chance: Fraction | str) -> None:
    found = chances(NOTES, places).of(0)

    assert found == chance if isinstance(chance, Fraction) else f"{float(found):.6f}" == chance


@settings(deadline=None)  # exact fractions of large weights take their time on a busy machine
@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=5).map(tuple), st.integers(1, 3))
def test_chances_are_the_sum_over_every_finishing_order(weights: tuple[int, ...], places: int) -> None:
    places = min(places, len(weights))
    found = chances(weights, places)

    assert [found.of(at) for at in range(len(weights))] == by_every_order(weights, places)


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**9), min_size=3, max_size=40).map(tuple), st.integers(1, 3))
def test_as_many_runners_are_placed_as_there_are_places(weights: tuple[int, ...], places: int) -> None:
    found = chances(weights, places)

    assert sum(found.numerators) == places * found.denominator
    assert all(0 < numerator <= found.denominator for numerator in found.numerators)


def test_the_largest_field_of_the_greatest_weights_is_within_reach() -> None:
    found = chances(tuple(10**9 - prime for prime in range(40)), 3)

    assert found.of(39) < Fraction(3, 40) < found.of(0)


def test_runners_of_the_same_weight_are_equal_and_a_heavier_one_is_placed_more_often() -> None:
    found = chances((5, 3, 5, 2), 2)

    assert found.of(0) == found.of(2) > found.of(1) > found.of(3)


@pytest.mark.parametrize("places", [0, 3, 4])
def test_no_other_places_are_asked_for(places: int) -> None:
    with pytest.raises(AssertionError, match="2 runners"):
        chances((1, 2), places)
