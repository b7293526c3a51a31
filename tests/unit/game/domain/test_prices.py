"""Prices are exact, rounded down once, and never return more than the target."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.game.domain.card import Runner
from services.game.domain.chances import chances
from services.game.domain.prices import (
    PRICE_HUNDREDTHS_MAX,
    place_prices_hundredths,
    priced,
    too_strong,
    win_price_hundredths,
)


@pytest.mark.parametrize(
    ("weight", "total", "return_bps", "price_hundredths"),
    [
        # the field of the notes, target return 91 %
        (29, 100, 9_100, 313),
        (34, 100, 9_100, 267),
        (11, 100, 9_100, 827),
        (7, 100, 9_100, 1_300),
        (14, 100, 9_100, 650),
        (5, 100, 9_100, 1_820),
        # the edges of what can be priced
        (9_009, 10_000, 9_100, 101),
        (9_010, 10_000, 9_100, 100),
        (1, 2, 5_000, 100),
        (49, 100, 5_000, 102),
        (1, 1_098_901, 9_100, 99_999_991),
        (1, 1_098_902, 9_100, PRICE_HUNDREDTHS_MAX),
        (1, 40_000_000_000, 9_999, PRICE_HUNDREDTHS_MAX),
    ],
)
def test_a_price_is_the_target_over_the_chance_rounded_down(
    weight: int, total: int, return_bps: int, price_hundredths: int
) -> None:
    assert win_price_hundredths(weight=weight, total_weight=total, return_bps=return_bps) == price_hundredths


@given(st.integers(1, 10**9), st.integers(0, 39 * 10**9), st.integers(5_000, 9_999))
def test_the_return_is_never_above_the_target_and_less_than_a_hundredth_below(
    weight: int, others: int, return_bps: int
) -> None:
    total, target = weight + others, Fraction(return_bps, 10_000)
    price_hundredths = win_price_hundredths(weight=weight, total_weight=total, return_bps=return_bps)

    chance = Fraction(weight, total)
    assert chance * Fraction(price_hundredths, 100) <= target
    if price_hundredths < PRICE_HUNDREDTHS_MAX:
        assert chance * Fraction(price_hundredths + 1, 100) > target


def test_a_field_is_priced_by_its_own_weights() -> None:
    runners = [Runner(runner=1, name="Early Riser", weight=3), Runner(runner=2, name="Late Call", weight=1)]

    assert [runner.win_price_hundredths for runner in priced(runners, 9_000)] == [120, 360]
    assert [runner.name for runner in priced(runners, 9_000)] == ["Early Riser", "Late Call"]


def test_a_runner_without_a_price_above_its_stake_is_named() -> None:
    runners = [Runner(runner=4, name="", weight=9_010), Runner(runner=7, name="", weight=990)]

    assert too_strong(runners, 9_100) == (4,)
    assert too_strong(runners, 9_200) == ()


@pytest.mark.parametrize(("places", "price_hundredths", "true_return"), [(2, 162, "0.906450"), (3, 117, "0.905008")])
def test_the_favourite_of_the_notes_has_the_price_to_place_that_they_say(
    places: int, price_hundredths: int, true_return: str
) -> None:
    weights = (29, 34, 11, 7, 14, 5)

    assert place_prices_hundredths(weights, places, 9_100)[0] == price_hundredths
    assert f"{float(chances(weights, places).of(0) * price_hundredths / 100):.6f}" == true_return


@settings(deadline=None)  # exact chances of large weights take their time on a busy machine
@given(
    st.lists(st.integers(1, 10**9), min_size=5, max_size=20).map(tuple), st.integers(1, 3), st.integers(5_000, 9_999)
)
def test_no_price_to_place_returns_more_than_the_target_or_could_be_a_hundredth_more(
    weights: tuple[int, ...], places: int, return_bps: int
) -> None:
    target = Fraction(return_bps, 10_000)
    for at, price_hundredths in enumerate(place_prices_hundredths(weights, places, return_bps)):
        chance = chances(weights, places).of(at)
        assert chance * Fraction(price_hundredths, 100) <= target
        if 0 < price_hundredths < PRICE_HUNDREDTHS_MAX:
            assert chance * Fraction(price_hundredths + 1, 100) > target
        if not price_hundredths:
            assert chance * Fraction(101, 100) > target, "only who is too strong has no price"


def test_a_field_is_priced_to_place_where_places_are_paid() -> None:
    runners = [Runner(runner=number, name="", weight=1) for number in range(1, 6)]

    assert {runner.place_price_hundredths for runner in priced(runners, 9_000, 2, 8_000)} == {200}
    assert {runner.place_price_hundredths for runner in priced(runners, 9_000)} == {0}
