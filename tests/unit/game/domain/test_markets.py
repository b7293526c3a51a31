"""A round offers PLACE by the size of its field, and says what each market returns."""

from dataclasses import replace
from fractions import Fraction

import pytest

from services.game.domain.card import Runner
from services.game.domain.chances import chances
from services.game.domain.markets import PPM, markets_of, places_of
from services.game.domain.order import Market
from services.game.domain.phase import Phase
from services.game.domain.prices import priced
from services.game.domain.round import Round, Terms
from tests.rounds import stored_round

NOTES = (29, 34, 11, 7, 14, 5)


def field(*weights: int) -> tuple[Runner, ...]:
    return tuple(Runner(runner=at, name="", weight=weight) for at, weight in enumerate(weights, start=1))


def round_of(weights: tuple[int, ...], places: int, place_return_bps: int = 8_500) -> Round:
    return replace(
        stored_round(Phase.OPEN).round,
        runners=priced(field(*weights), 9_100, places, place_return_bps),
        terms=Terms(places=places, place_return_bps=place_return_bps),
    )


@pytest.mark.parametrize(("runners", "places"), [(2, 0), (4, 0), (5, 2), (7, 2), (8, 3), (40, 3)])
def test_the_field_tells_how_many_places_are_paid(runners: int, places: int) -> None:
    assert places_of(runners) == places


def test_a_round_without_places_offers_win_alone() -> None:
    [offer] = markets_of(round_of(NOTES, 0))

    assert (offer.market, offer.target_return_bps, offer.places) == (Market.WIN, 9_100, 1)
    assert (offer.true_return_min_ppm, offer.true_return_max_ppm) == (907_700, 910_000)


def test_place_has_a_return_of_its_own_which_is_the_target_or_less() -> None:
    round_ = round_of(NOTES, 2)
    _, offer = markets_of(round_)

    assert (offer.market, offer.target_return_bps, offer.places) == (Market.PLACE, 8_500, 2)
    returns = [
        chances(NOTES, 2).of(at) * Fraction(runner.place_price_hundredths, 100)
        for at, runner in enumerate(round_.runners)
    ]
    assert offer.true_return_min_ppm == int(min(returns) * PPM)
    assert offer.true_return_max_ppm == int(max(returns) * PPM) <= 850_000


def test_a_runner_that_has_no_price_to_place_does_not_count_in_its_return() -> None:
    round_ = round_of((900, 20, 20, 20, 40), 2)
    _, offer = markets_of(round_)

    assert [runner.place_price_hundredths > 0 for runner in round_.runners] == [False, True, True, True, True]
    assert 0 < offer.true_return_min_ppm <= offer.true_return_max_ppm <= 850_000


def test_place_is_not_offered_where_no_runner_has_a_price_for_it() -> None:
    assert len(markets_of(round_of((50, 50), 2))) == 1
