"""The risk of a round as a batch is decided: what its selections could come to pay, and what the house takes of it.

Each line that is accepted adds its payout to its selection. The house could come to lose, over all markets, the sum of
the payouts of the selections that would pay most in each, one to WIN and three to PLACE, less all stakes of the round.
Where only two places are paid, or one ticket's prize is bounded, that is more than can happen. It is less only where
runners are withdrawn: nobody knows which as long as there is betting, and the stakes that go back with them are missing
from what pays the winners. To be prepared for that, a round could take hardly more than its own limit in stakes.

1. Without limits a round takes tickets until the payouts of all its lines add up to ROUND_PAYOUT_MINOR_MAX.
2. An order is refused whole: none of its lines is taken where one of them goes too far.
3. An order that makes the possible loss no greater is never refused for the loss, even where a cancelled ticket has
   left it above the limit.
"""

from collections.abc import Mapping
from heapq import nlargest
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from services.persist.domain.bounds import ROUND_PAYOUT_MINOR_MAX
from services.persist.domain.round import NOTHING_SOLD, Limits, Totals
from services.persist.domain.ticket import Order

Selection = tuple[int, bytes]
"""A market and the runners, one byte each."""


class Sold(NamedTuple):
    """What was bet on a selection: lines, their stakes, and what they pay if it wins."""

    lines: int
    stake_minor: int
    payout_minor: int


_PLACE: Final = 2
_PAID_MAX: Final[Mapping[int, int]] = MappingProxyType({_PLACE: 3})
"""How many selections of a market win with their whole stakes at the most; in a dead heat more win, with parts."""

_NOTHING = Sold(0, 0, 0)
_NO_LIMITS = Limits(stake_min_minor=1, stake_max_minor=1)


class Risk:
    """Runs up with the orders that are taken. `sold` is what was accepted before, of rounds with limits only."""

    __slots__ = ("_is_limited", "_limits", "_payout_minor", "_sold", "_stake_minor", "taken")

    def __init__(self, totals: Totals, limits: Limits, sold: Mapping[Selection, Sold]) -> None:
        self.taken: dict[Selection, Sold] = {}
        self._payout_minor = totals.payout_minor_max
        self._stake_minor = totals.stake_minor
        self._limits = limits
        self._is_limited = limits.selection_payout_max_minor > 0 or limits.round_loss_max_minor > 0
        self._sold = sold

    @classmethod
    def of_nothing(cls) -> Self:
        """The risk where there is no round."""
        return cls(NOTHING_SOLD, _NO_LIMITS, {})

    def exceeded_by(self, order: Order) -> str:
        """Say in words how the order would go beyond a limit; nothing where it does not."""
        if self._payout_minor + sum([line.payout_minor for line in order.lines]) > ROUND_PAYOUT_MINOR_MAX:
            return "the round has taken as much risk as it can count"
        return self._exceeds_limits(order) if self._is_limited else ""

    def take(self, order: Order) -> None:
        """Take the risk of an order that is accepted."""
        for line in order.lines:
            selection = (line.market, line.selection)
            lines, stake_minor, payout_minor = self.taken.get(selection, _NOTHING)
            more_minor = line.payout_minor
            self.taken[selection] = Sold(lines + 1, stake_minor + line.stake_minor, payout_minor + more_minor)
            self._payout_minor += more_minor
        self._stake_minor += order.stake_minor

    def _exceeds_limits(self, order: Order) -> str:
        before = {
            selection: self._sold.get(selection, _NOTHING).payout_minor
            + self.taken.get(selection, _NOTHING).payout_minor
            for selection in self._sold.keys() | self.taken.keys()
        }
        after = dict(before)
        for line in order.lines:
            selection = (line.market, line.selection)
            after[selection] = after.get(selection, 0) + line.payout_minor
            most_minor = self._limits.selection_payout_max_minor
            if 0 < most_minor < after[selection]:
                return f"the selection could come to pay {after[selection]}, and at most {most_minor} may be"
        most_minor = self._limits.round_loss_max_minor
        loss_minor = _worst_minor(after) - self._stake_minor - order.stake_minor
        if 0 < most_minor < loss_minor and loss_minor > _worst_minor(before) - self._stake_minor:
            return f"the house could come to lose {loss_minor} on the round, and at most {most_minor} may be"
        return ""


def _worst_minor(payouts_minor: Mapping[Selection, int]) -> int:
    """What is paid when in each market the selections win that pay most."""
    by_market: dict[int, list[int]] = {}
    for (market, _), payout_minor in payouts_minor.items():
        by_market.setdefault(market, []).append(payout_minor)
    return sum([sum(nlargest(_PAID_MAX.get(market, 1), payouts)) for market, payouts in by_market.items()])
