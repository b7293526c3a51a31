"""The winners: which selections a result pays, and with which part of the stake.

    market  pays                                    in a dead heat of m runners at position p
    WIN     who finished first                      1/m of the stake wins, at the full price
    PLACE   who finished in one of the first k      k - p + 1 places are left for them: all of the stake where that is
            places, as the round's terms say        m or more, else (k - p + 1)/m of it

Positions are those of a race with ties: 1, 1, 3. A runner with position 0 did not finish and wins nothing. Who was
withdrawn has the stake given back in every market of the round; the places stay as many as they were when it opened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from services.game.domain.order import Market
from services.game.domain.round import Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """A selection that pays. The part of the stake that wins is a fraction: 1/1, or less in a dead heat.

    A `refund` gives the stake back, whatever the price: the runner was withdrawn.
    """

    market: Market
    runners: tuple[int, ...]
    stake_numerator: int = 1
    stake_denominator: int = 1
    refund: bool = False


def winners(round_: Round) -> tuple[Winner, ...]:
    """Tell who has won, by a round's result, its dead heats and who was withdrawn; what is not named has lost."""
    return winners_by(round_.result, round_.positions, round_.withdrawn, round_.terms.places)


def winners_by(
    result: tuple[int, ...], positions: tuple[int, ...], withdrawn: tuple[int, ...], places: int
) -> tuple[Winner, ...]:
    """Tell who wins by a result that is no round's yet; without `positions` nobody has shared one."""
    assert result, "without a result nobody has won"
    markets = [(Market.WIN, 1), (Market.PLACE, places)] if places else [(Market.WIN, 1)]
    return tuple(
        winner
        for market, market_places in markets
        for winner in (*_paid(market, market_places, result, positions), *_given_back(market, withdrawn))
    )


def _paid(market: Market, places: int, result: Sequence[int], positions: Sequence[int]) -> Iterator[Winner]:
    """Give each group that shares a position what is left of the places."""
    finishers = zip(positions or range(1, len(result) + 1), result, strict=True)
    for position, group in groupby(finishers, key=lambda finisher: finisher[0]):
        runners = [runner for _, runner in group]
        left = places - position + 1
        if position == 0 or left <= 0:
            return
        part = (1, 1) if left >= len(runners) else (left, len(runners))
        for runner in runners:
            yield Winner(market=market, runners=(runner,), stake_numerator=part[0], stake_denominator=part[1])


def _given_back(market: Market, withdrawn: tuple[int, ...]) -> Iterator[Winner]:
    for runner in withdrawn:
        yield Winner(market=market, runners=(runner,), refund=True)
