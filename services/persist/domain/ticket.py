"""Orders and tickets: what is asked for, and what was accepted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from services.persist.domain.payout import payout_minor
from services.persist.domain.round import Phase
from services.persist.domain.verdict import Verdict

NO_REVISION: Final = -1
"""The revision of the prices that an order was judged by which does not depend on them."""


class Line(NamedTuple):
    """One bet. `selection` holds the runners' numbers, one byte each, in the order that the market asks for.

    Lines and orders are named tuples, because thousands are made a second: a frozen dataclass costs four times as much.
    """

    market: int
    selection: bytes
    stake_minor: int
    price_hundredths: int

    @property
    def payout_minor(self) -> int:
        """What the line pays if it wins outright."""
        return payout_minor(self.stake_minor, self.price_hundredths)


class Order(NamedTuple):
    """A ticket that is asked for, after game has looked at it with the rules of racing.

    `content_hash` is SHA-256 of the order as the client sent it. `refusal` is the verdict of the rules of racing, None
    where they have nothing against the order; `refusal_reason` says it in words. Its lines are those that could be read
    then, with whatever is wrong in them. `terminal` sells it, empty where none was named.

    `price_revision` is that of the round's prices that it was judged by, NO_REVISION where it does not depend on them.
    With a quote, its prices are held until `held_until_ms` since the Unix epoch; 0 without one.
    """

    request_id: str
    account_id: str
    lines: Sequence[Line]
    stake_minor: int
    content_hash: bytes
    refusal: Verdict | None
    refusal_reason: str
    terminal: str = ""
    price_revision: int = NO_REVISION
    held_until_ms: int = 0


class TicketState(IntEnum):
    """Where a ticket stands, numbered as `furlong.common.v1.Ticket.State`."""

    ACCEPTED = 1
    WON = 2
    LOST = 3
    VOIDED = 4
    PAID = 5
    CANCELLED = 6
    EXPIRED = 7


class EventKind(IntEnum):
    """What happened to an accepted ticket. The numbers are stored and never reused.

    That it was accepted is told by the ticket itself, and that it lost by the settlement of its round.
    """

    WON = 1
    """`payout_minor` is what the ticket wins in all, by the decision that the event is numbered with."""
    VOIDED = 2
    """`payout_minor` is the stake."""
    CANCELLED = 3
    """`payout_minor` is the stake. Whatever becomes of the round is nothing to the ticket any more."""
    PAID = 4
    """`payout_minor` was handed out at a till; 0 where a correction left nothing to pay beyond what was paid before."""
    EXPIRED = 5
    """`payout_minor` was not claimed in time; 0 as with PAID."""
    REVERSED = 6
    """The ticket has lost after all; `payout_minor` was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketEvent:
    """An event with the number of the decision that it comes from, or whose money it pays; 0 outside of decisions.

    `payout_uncapped_minor` is what the ticket would have won, where the greatest payout has cut something off.
    """

    kind: EventKind
    settlement_no: int
    payout_minor: int
    payout_uncapped_minor: int | None = None


_RANK: Final[Mapping[EventKind, int]] = MappingProxyType(
    {
        EventKind.CANCELLED: 0,
        EventKind.WON: 0,
        EventKind.VOIDED: 0,
        EventKind.REVERSED: 1,
        EventKind.EXPIRED: 2,
        EventKind.PAID: 3,
    }
)
"""The order in which the events of one decision come."""


def standing(
    phase: Phase, stake_minor: int, events: Sequence[TicketEvent], *, all_withdrawn: bool = False
) -> tuple[TicketState, int]:
    """Tell where a ticket stands and its payout, from its round's phase and its events in any order.

    The payout is what was credited to the buyer, or was or can be claimed at a till; of a ticket that is void or
    cancelled the stake. A ticket has lost only when its round is settled: while a settlement is being posted, those
    that no event names yet are still accepted. A settlement pays stakes back as it pays prizes; a ticket on runners
    that were `all_withdrawn` has its stake back, and has won nothing.
    """
    if not events:
        return _without_events(phase, stake_minor)
    latest = max(events, key=lambda event: (event.settlement_no, _RANK[event.kind]))
    match latest.kind:
        case EventKind.WON if all_withdrawn and latest.payout_minor == stake_minor:
            return TicketState.VOIDED, stake_minor
        case EventKind.WON:
            return TicketState.WON, latest.payout_minor
        case EventKind.VOIDED:
            return TicketState.VOIDED, latest.payout_minor
        case EventKind.CANCELLED:
            return TicketState.CANCELLED, latest.payout_minor
        case EventKind.REVERSED:
            return TicketState.LOST, 0
        case EventKind.PAID:
            return TicketState.PAID, _paid_minor(events)
        case EventKind.EXPIRED:
            return TicketState.EXPIRED, _paid_minor(events)


def uncapped_minor(events: Sequence[TicketEvent]) -> int:
    """Tell what a ticket would have been paid by the decision that counts; 0 where nothing was cut off.

    `standing` tells what it is paid.
    """
    decided = [event for event in events if event.kind in (EventKind.WON, EventKind.REVERSED)]
    latest = max(decided, key=lambda event: event.settlement_no, default=None)
    return (latest.payout_uncapped_minor or 0) if latest is not None else 0


def _without_events(phase: Phase, stake_minor: int) -> tuple[TicketState, int]:
    match phase:
        case Phase.SETTLED:
            return TicketState.LOST, 0
        case Phase.VOID:
            return TicketState.VOIDED, stake_minor
        case _:
            return TicketState.ACCEPTED, 0


def _paid_minor(events: Sequence[TicketEvent]) -> int:
    """What was handed out for a ticket, at once or in parts: a correction may have made more of it claimable."""
    return sum(event.payout_minor for event in events if event.kind is EventKind.PAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An accepted ticket at some moment: `standing` tells its state and its payout, `uncapped_minor` the rest."""

    ticket_id: str
    round_id: int
    account_id: str
    state: TicketState
    stake_minor: int
    payout_minor: int
    placed_at: datetime
    lines: Sequence[Line]
    currency: str
    terminal: str = ""
    payout_uncapped_minor: int = 0
