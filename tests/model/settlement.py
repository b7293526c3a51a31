"""What every ticket of a round is owed, worked out one line at a time with exact fractions.

The model is slow and plain on purpose, and shares no code with the services: it is what their payouts are judged by.

    rule    a WIN line on the runner that finished first is paid stake times price, rounded down to the minor unit;
            every other line is paid nothing; a ticket is paid the sum over its lines; a void gives the stake back.

`PaperRound` follows a round beyond its settlement: prizes that wait at tills, and results that are corrected.
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


class PaperRound:
    """A round on paper: who has what, what waits at the tills, and where each ticket stands.

    `purses` is what each account holds after the stakes were paid, `tills` are those that are tills'.
    """

    def __init__(
        self,
        tickets: Sequence[BoughtTicket],
        cancelled: frozenset[str],
        purses: Mapping[str, int],
        tills: frozenset[str],
    ) -> None:
        self.tickets = sorted(tickets, key=lambda ticket: ticket.ticket_id)
        self.live = [ticket for ticket in self.tickets if ticket.ticket_id not in cancelled]
        self.purses = dict(purses)
        self.tills = tills
        self.house_minor = 0
        self.claims: dict[str, int] = {}
        self.handed_out: dict[str, int] = {}
        self.kept: dict[str, int] = {}  # what a player's ticket has brought and was not taken back
        self.result: Sequence[int] = ()
        self.states = {ticket.ticket_id: ("CANCELLED", ticket.stake_minor) for ticket in self.tickets}

    def settle(self, result: Sequence[int]) -> None:
        """The race is over."""
        self.result = result
        for ticket in self.live:
            prize_minor = self._prize_minor(ticket, result)
            self.house_minor += ticket.stake_minor - (prize_minor or 0)
            self._bring(ticket, prize_minor or 0)
            self.states[ticket.ticket_id] = ("LOST", 0) if prize_minor is None else ("WON", prize_minor)

    def void(self) -> None:
        """There is no race."""
        for ticket in self.live:
            self._bring(ticket, ticket.stake_minor)
            self.states[ticket.ticket_id] = ("VOIDED", ticket.stake_minor)

    def spend(self, account_id: str) -> int:
        """Take everything out of an account; how much that was."""
        spent_minor, self.purses[account_id] = self.purses[account_id], 0
        return spent_minor

    def pay(self, ticket_id: str, till: str) -> bool:
        """Hand out at a till what a ticket can claim; False where that is nothing."""
        claim_minor = self.claims.pop(ticket_id, 0)
        if not claim_minor:
            return False
        self.purses[till] += claim_minor
        self.handed_out[ticket_id] = self.handed_out.get(ticket_id, 0) + claim_minor
        self.states[ticket_id] = ("PAID", self.handed_out[ticket_id])
        return True

    def correct(self, result: Sequence[int]) -> None:
        """The race ended otherwise."""
        prizes = {
            ticket.ticket_id: prize_minor
            for ticket in self.live
            if (prize_minor := self._prize_minor(ticket, result)) != self._prize_minor(ticket, self.result)
        }
        concerned = [ticket for ticket in self.live if ticket.ticket_id in prizes]
        self._correct_players([each for each in concerned if each.account_id not in self.tills], prizes)
        for ticket in concerned:
            if ticket.account_id in self.tills:
                self._correct_at_a_till(ticket, prizes[ticket.ticket_id])
        self.result = result

    def _correct_players(self, tickets: Sequence[BoughtTicket], prizes: Mapping[str, int | None]) -> None:
        wrong = {ticket.ticket_id: self.kept.get(ticket.ticket_id, 0) for ticket in tickets}
        for ticket in tickets:
            right_minor = prizes[ticket.ticket_id]
            self.house_minor -= right_minor or 0
            self._bring(ticket, right_minor or 0)
            self.states[ticket.ticket_id] = ("LOST", 0) if right_minor is None else ("WON", right_minor)
        for ticket in tickets:
            back_minor = min(wrong[ticket.ticket_id], self.purses[ticket.account_id])
            self.purses[ticket.account_id] -= back_minor
            self.kept[ticket.ticket_id] -= back_minor
            self.house_minor += back_minor

    def _correct_at_a_till(self, ticket: BoughtTicket, right_minor: int | None) -> None:
        ticket_id = ticket.ticket_id
        self.house_minor += self.claims.pop(ticket_id, 0)
        gone_minor = self.handed_out.get(ticket_id, 0)
        claim_minor = max((right_minor or 0) - gone_minor, 0)
        if claim_minor:
            self.claims[ticket_id] = claim_minor
            self.house_minor -= claim_minor
        if gone_minor and not claim_minor:
            self.states[ticket_id] = ("PAID", gone_minor)
        else:
            self.states[ticket_id] = ("LOST", 0) if right_minor is None else ("WON", right_minor)

    def _bring(self, ticket: BoughtTicket, amount_minor: int) -> None:
        if ticket.account_id not in self.tills:
            self.purses[ticket.account_id] += amount_minor
            self.kept[ticket.ticket_id] = self.kept.get(ticket.ticket_id, 0) + amount_minor
        elif amount_minor:
            self.claims[ticket.ticket_id] = amount_minor

    def _prize_minor(self, ticket: BoughtTicket, result: Sequence[int]) -> int | None:
        """What a ticket wins; None where none of its lines does."""
        if not any(line.runners == (result[0],) for line in ticket.lines):
            return None
        return sum(line_payout_minor(line, result) for line in ticket.lines)
