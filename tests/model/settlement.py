"""What every ticket of a round is owed, worked out one line at a time with exact fractions.

The model is slow and plain on purpose, and shares no code with the services: it is what their payouts are judged by.

    rule    a WIN line on the runner that finished first is paid stake times price, rounded down to the minor unit;
            every other line is paid nothing; a ticket is paid the sum over its lines; a void gives the stake back.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class BoughtLine:
    """One bet as it was bought: `price_hundredths` is the price that the ticket keeps."""

    market: str
    runners: tuple[int, ...]
    stake_minor: int
    price_hundredths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoughtTicket:
    """An accepted ticket."""

    ticket_id: str
    account_id: str
    lines: tuple[BoughtLine, ...]

    @property
    def stake_minor(self) -> int:
        return sum(line.stake_minor for line in self.lines)


def line_payout_minor(line: BoughtLine, result: Sequence[int]) -> int:
    """What one line brings when the runners finish in the order of `result`."""
    if line.market != "WIN":
        raise ValueError(f"the model knows no market {line.market!r}")
    if line.runners != (result[0],):
        return 0
    return math.floor(Fraction(line.stake_minor) * Fraction(line.price_hundredths, 100))


def payouts_minor(tickets: Iterable[BoughtTicket], result: Sequence[int]) -> Mapping[str, int]:
    """The payout of every ticket by its id, losers with 0."""
    return {ticket.ticket_id: sum(line_payout_minor(line, result) for line in ticket.lines) for ticket in tickets}


def refunds_minor(tickets: Iterable[BoughtTicket]) -> Mapping[str, int]:
    """What every ticket of a voided round gets back, by its id."""
    return {ticket.ticket_id: ticket.stake_minor for ticket in tickets}
