"""The winners: which selections a result pays, and with which part of the stake."""

from dataclasses import dataclass

from services.game.domain.order import Market


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


def winners(result: tuple[int, ...]) -> tuple[Winner, ...]:
    """Tell who won, from the finishing order; every selection that is not named has lost."""
    assert result, "without a result nobody has won"
    return (Winner(market=Market.WIN, runners=result[:1]),)
