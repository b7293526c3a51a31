"""What every ticket of a round is owed, worked out one line at a time with exact fractions.

The model is slow and plain on purpose, and shares no code with the services: it is what their payouts are judged by.

    rules   a WIN line on the runner that finished first, and a PLACE line on one of the first so many, is paid stake
            times price, rounded down to the minor unit; every other line is paid nothing.
            In a dead heat a line is paid the part of it that its runner would have won in, of all the orders in which
            those who share a position could have finished one after the other.
            A line on a runner that was withdrawn gets its stake back.
            A ticket is paid the sum over its lines, of what they win at most the round's greatest payout.
            A void gives all stakes back.

`PaperRound` follows a round beyond its settlement: prizes that wait at tills, and results that are corrected.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations, product
from typing import TypeAlias


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a race ended: who shared each position, first to last, who had not run, and what the round pays on it.

    `places` is how many PLACE pays; `greatest_minor` is what a ticket wins at the most, 0 for whatever it comes to.
    Who ran and did not finish is in no group.
    """

    groups: tuple[tuple[int, ...], ...]
    withdrawn: frozenset[int] = frozenset()
    places: int = 0
    greatest_minor: int = 0


Result: TypeAlias = "Finish | Sequence[int]"
"""A finishing order without more says that every runner ran, alone at its position, and that WIN is all there is."""


def line_payout_minor(line: BoughtLine, result: Result) -> int:
    """What one line brings."""
    finish = _finish(result)
    if line.market not in ("WIN", "PLACE"):
        raise ValueError(f"the model knows no market {line.market!r}")
    [runner] = line.runners
    if runner in finish.withdrawn:
        return line.stake_minor
    paid = Fraction(line.stake_minor) * Fraction(line.price_hundredths, 100)
    return math.floor(paid * _part(runner, finish, 1 if line.market == "WIN" else finish.places))


def payouts_minor(tickets: Iterable[BoughtTicket], result: Result) -> Mapping[str, int]:
    """The payout of every ticket by its id, losers with 0."""
    return {ticket.ticket_id: _paid_minor(ticket, result) or 0 for ticket in tickets}


def _finish(result: Result) -> Finish:
    return result if isinstance(result, Finish) else Finish(groups=tuple((runner,) for runner in result))


def _part(runner: int, finish: Finish, places: int) -> Fraction:
    """In which part of the orders that a finish could have been without ties the runner is among the first."""
    orders = [
        [each for group in one_after_another for each in group]
        for one_after_another in product(*(permutations(group) for group in finish.groups))
    ]
    return Fraction(sum(runner in order[:places] for order in orders), len(orders))


def _owed_minor(ticket: BoughtTicket, result: Result) -> tuple[int, int] | None:
    """What a ticket wins, and what it gets back of withdrawn runners; None where none of its lines does either."""
    finish = _finish(result)
    won = [
        line
        for line in ticket.lines
        if line.runners[0] not in finish.withdrawn
        and _part(line.runners[0], finish, 1 if line.market == "WIN" else finish.places)
    ]
    back = [line for line in ticket.lines if line.runners[0] in finish.withdrawn]
    if not won and not back:
        return None
    return sum(line_payout_minor(line, finish) for line in won), sum(line.stake_minor for line in back)


def _paid_minor(ticket: BoughtTicket, result: Result) -> int | None:
    """What a ticket is paid; None where it has lost."""
    owed = _owed_minor(ticket, result)
    if owed is None:
        return None
    wins_minor, back_minor = owed
    greatest_minor = _finish(result).greatest_minor
    return (min(wins_minor, greatest_minor) if greatest_minor else wins_minor) + back_minor


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
        self.result: Result = ()
        self.states = {ticket.ticket_id: ("CANCELLED", ticket.stake_minor) for ticket in self.tickets}

    def settle(self, result: Result) -> None:
        """The race is over."""
        self.result = result
        for ticket in self.live:
            prize_minor = _paid_minor(ticket, result)
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

    def correct(self, result: Result) -> None:
        """The race ended otherwise."""
        prizes = {
            ticket.ticket_id: _paid_minor(ticket, result)
            for ticket in self.live
            if _owed_minor(ticket, result) != _owed_minor(ticket, self.result)
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
