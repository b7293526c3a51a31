"""Orders and tickets: what is asked for, and what was accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.persist.domain.payout import payout_minor
from services.persist.domain.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One bet. `selection` holds the runners' numbers, one byte each, in the order that the market asks for."""

    market: int
    selection: bytes
    stake_minor: int
    price_hundredths: int

    @property
    def payout_minor(self) -> int:
        """What the line pays if it wins outright."""
        return payout_minor(self.stake_minor, self.price_hundredths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A ticket that is asked for, after game has looked at it with the rules of racing.

    `content_hash` is SHA-256 of the order as the client sent it. `refusal` is the verdict of the rules of racing, None
    where they have nothing against the order; `refusal_reason` says it in words.
    """

    request_id: str
    account_id: str
    lines: Sequence[Line]
    stake_minor: int
    content_hash: bytes
    refusal: Verdict | None
    refusal_reason: str


class TicketState(IntEnum):
    """Where a ticket stands, numbered as `furlong.common.v1.Ticket.State`."""

    ACCEPTED = 1
    WON = 2
    LOST = 3
    VOIDED = 4


class EventKind(IntEnum):
    """What happened to an accepted ticket. The numbers are stored and never reused.

    That it was accepted is told by the ticket itself, and that it lost by the settlement of its round.
    """

    WON = 1
    VOIDED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An accepted ticket with its state at some moment. `payout_minor` is what was credited back by then."""

    ticket_id: str
    round_id: int
    account_id: str
    state: TicketState
    stake_minor: int
    payout_minor: int
    placed_at: datetime
    lines: Sequence[Line]
    currency: str
