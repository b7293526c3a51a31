"""Corrections: what a ticket gets, or gives back, when its round turns out to have ended otherwise.

All tickets of the round get their right prizes first. Then the players give the wrong ones back as far as their
balances go, right prizes of other tickets included, and the house bears the rest. What was bought at a till lies among
the prizes until it is claimed, so it can be taken back in full; what was handed out or has expired is gone, and only
what the right prize has beyond it can still be claimed.

    bought by  holds                          gives back           gets          becomes
    player     what it was paid and has not   as much of it as     right prize   WON, or REVERSED
               given back before              the balance allows
    till       what can be claimed            all of it            right prize   WON, or REVERSED; where nothing is left
                                                                   less what     to claim of what is gone in part, what
                                                                   is gone       it was before: PAID or EXPIRED
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.persist.domain.ticket import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A ticket that the corrected result pays otherwise.

    `prize_minor` is what it wins now, None where it does not win, and `uncapped_minor` what that would be without a
    greatest payout. `held_minor` is what can be taken back: of a
    player's ticket what was paid on it and not taken back before, of a till's what can be claimed. `paid_minor` was
    handed out for it at a till and `expired_minor` was not claimed in time.
    """

    ticket_id: str
    account_id: str
    at_a_till: bool
    prize_minor: int | None
    held_minor: int
    paid_minor: int = 0
    expired_minor: int = 0
    uncapped_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a ticket gives back and gets, and the event that tells of it; no event where it stays what it is."""

    ticket: Affected
    reversal_minor: int
    prize_minor: int
    event: tuple[EventKind, int] | None

    @property
    def uncapped_minor(self) -> int | None:
        """What the ticket would have won without a greatest payout, where the event says that it wins less."""
        if self.event is None or self.event[0] is not EventKind.WON or self.ticket.uncapped_minor == self.event[1]:
            return None
        return self.ticket.uncapped_minor


def right_prizes(tickets: Sequence[Affected]) -> Sequence[Move]:
    """Pay tickets what they win now; those of tills are put right altogether."""
    return [
        _at_a_till(ticket) if ticket.at_a_till else _right_prize(ticket, ticket.prize_minor)
        for ticket in tickets
        if ticket.at_a_till or ticket.prize_minor is not None
    ]


def reversals(tickets: Sequence[Affected], spare_minor: Mapping[str, int]) -> Sequence[Move]:
    """Take wrong prizes back from players' tickets, in their order, when all right ones have been paid.

    `spare_minor` is what a player's account has above its floor.
    """
    left_minor = dict(spare_minor)
    return [_reversal(ticket, left_minor) for ticket in tickets if not ticket.at_a_till]


def _right_prize(ticket: Affected, prize_minor: int | None) -> Move:
    assert prize_minor is not None, "only winners are paid"
    return Move(ticket=ticket, reversal_minor=0, prize_minor=prize_minor, event=(EventKind.WON, prize_minor))


def _reversal(ticket: Affected, left_minor: dict[str, int]) -> Move:
    reversal_minor = min(ticket.held_minor, left_minor[ticket.account_id])
    left_minor[ticket.account_id] -= reversal_minor
    event = (EventKind.REVERSED, reversal_minor) if ticket.prize_minor is None else None
    return Move(ticket=ticket, reversal_minor=reversal_minor, prize_minor=0, event=event)


def _at_a_till(ticket: Affected) -> Move:
    gone_minor = ticket.paid_minor + ticket.expired_minor
    claim_minor = max((ticket.prize_minor or 0) - gone_minor, 0)
    if claim_minor or not gone_minor:
        won = ticket.prize_minor is not None
        event = (EventKind.WON, ticket.prize_minor or 0) if won else (EventKind.REVERSED, ticket.held_minor)
    elif ticket.held_minor:
        event = (EventKind.PAID if ticket.paid_minor else EventKind.EXPIRED, 0)
    else:
        event = None
    return Move(ticket=ticket, reversal_minor=ticket.held_minor, prize_minor=claim_minor, event=event)
