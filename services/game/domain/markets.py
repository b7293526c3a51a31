"""Markets: what a round offers beside its prices, and what each market returns to the player in the long run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from services.game.domain.card import Runner
from services.game.domain.chances import FIELDS_KEPT_MAX, chances
from services.game.domain.order import Market
from services.game.domain.round import Round

PPM: Final = 1_000_000

_FIRST_ONLY: Final = 1


def places_of(runners: int) -> int:
    """Tell how many places PLACE pays in a field: 3 from eight runners on, 2 from five, else 0: it is not offered."""
    if runners >= 8:
        return 3
    return 2 if runners >= 5 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOffer:
    """A market of a round: its target return in basis points, and the true return by the weights.

    The true return differs a little between runners, because each price is rounded down by itself: it is at least
    `true_return_min_ppm` and at most `true_return_max_ppm`, in millionths of the stake and rounded down.
    """

    market: Market
    target_return_bps: int
    true_return_min_ppm: int
    true_return_max_ppm: int
    places: int


def markets_of(round_: Round) -> tuple[MarketOffer, ...]:
    """Give the markets that a round offers."""
    return _markets(round_.runners, round_.return_bps, round_.terms.places, round_.terms.place_return_bps)


@lru_cache(maxsize=FIELDS_KEPT_MAX)
def _markets(
    runners: tuple[Runner, ...], return_bps: int, places: int, place_return_bps: int
) -> tuple[MarketOffer, ...]:
    """Remember what does not change while a round is looked at, time and again."""
    to_win = [runner.win_price_hundredths for runner in runners]
    to_place = [runner.place_price_hundredths for runner in runners]
    offers = [_offer(Market.WIN, runners, to_win, return_bps, _FIRST_ONLY)]
    if places and any(to_place):
        offers.append(_offer(Market.PLACE, runners, to_place, place_return_bps, places))
    return tuple(offers)


def _offer(
    market: Market, runners: Sequence[Runner], prices_hundredths: Sequence[int], return_bps: int, places: int
) -> MarketOffer:
    of_field = chances(tuple(runner.weight for runner in runners), places)
    returns_ppm = [
        numerator * price_hundredths * (PPM // 100) // of_field.denominator
        for numerator, price_hundredths in zip(of_field.numerators, prices_hundredths, strict=True)
        if price_hundredths
    ] or [0]
    return MarketOffer(
        market=market,
        target_return_bps=return_bps,
        true_return_min_ppm=min(returns_ppm),
        true_return_max_ppm=max(returns_ppm),
        places=places,
    )
