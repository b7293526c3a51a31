"""Corrections: what a ticket gets, or gives back, when its round turns out to have ended otherwise.

The buyer's account gets the right prize first, and then gives the wrong one back as far as its balance goes; the house
bears the rest. What was bought at a till lies among the prizes until it is claimed, so it can be taken back in full;
what was handed out or has expired is gone, and only what the right prize has beyond it can still be claimed.

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

    `prize_minor` is what it wins now, None where it does not win. `held_minor` is what can be taken back: of a
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a ticket gives back and gets, and the event that tells of it; no event where it stays what it was."""

    ticket: Affected
    reversal_minor: int
    prize_minor: int
    event: tuple[EventKind, int] | None


def moves(tickets: Sequence[Affected], spare_minor: Mapping[str, int]) -> Sequence[Move]:
    """Correct the tickets of a chunk, in their order. `spare_minor` is what a player's account has above its floor."""
    left_minor = dict(spare_minor)
    for ticket in tickets:
        if not ticket.at_a_till:
            left_minor[ticket.account_id] += ticket.prize_minor or 0
    return [_at_a_till(ticket) if ticket.at_a_till else _of_a_player(ticket, left_minor) for ticket in tickets]


def _of_a_player(ticket: Affected, left_minor: dict[str, int]) -> Move:
    reversal_minor = min(ticket.held_minor, left_minor[ticket.account_id])
    left_minor[ticket.account_id] -= reversal_minor
    return Move(
        ticket=ticket,
        reversal_minor=reversal_minor,
        prize_minor=ticket.prize_minor or 0,
        event=_won_or_reversed(ticket, reversal_minor),
    )


def _at_a_till(ticket: Affected) -> Move:
    gone_minor = ticket.paid_minor + ticket.expired_minor
    claim_minor = max((ticket.prize_minor or 0) - gone_minor, 0)
    if claim_minor or not gone_minor:
        event = _won_or_reversed(ticket, ticket.held_minor)
    elif ticket.held_minor:
        event = (EventKind.PAID if ticket.paid_minor else EventKind.EXPIRED, 0)
    else:
        event = None
    return Move(ticket=ticket, reversal_minor=ticket.held_minor, prize_minor=claim_minor, event=event)


def _won_or_reversed(ticket: Affected, reversal_minor: int) -> tuple[EventKind, int]:
    if ticket.prize_minor is None:
        return EventKind.REVERSED, reversal_minor
    return EventKind.WON, ticket.prize_minor
