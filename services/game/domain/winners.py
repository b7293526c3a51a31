"""The winners: which selections a result pays, and with which part of the stake."""

from dataclasses import dataclass

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
    """Tell who won a round that has a result; every selection that is not named has lost.

    Of n runners that are first together each pays with 1/n of the stake. Withdrawn runners give the stake back.
    """
    assert round_.result, "without a result nobody has won"
    together = round_.positions.count(1) or 1
    return (
        *(Winner(market=Market.WIN, runners=(each,), stake_denominator=together) for each in round_.result[:together]),
        *(Winner(market=Market.WIN, runners=(each,), refund=True) for each in round_.withdrawn),
    )
