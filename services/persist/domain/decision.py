"""The decision on a batch of orders for one round: pure, in the order of arrival.

It is given what was read and locked in the same transaction, and everything that it answers is written or thrown away
with that transaction.

1. Idempotency stands before every rule: an order whose id has been answered gets that answer again.
2. Funds and the round's possible payout run down only by what is accepted: a refused order takes nothing from the next.
3. A verdict is the lowest number of all that is true of the order, whoever found it, game or this.
4. An id answered within this very batch counts as answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.persist.domain.bounds import ROUND_PAYOUT_MINOR_MAX
from services.persist.domain.round import Phase, Totals
from services.persist.domain.ticket import Order, Ticket, TicketState
from services.persist.domain.verdict import UNSTORED, Verdict

REQUEST_ID_AGE_MS_MAX: Final = 7 * 24 * 60 * 60 * 1000
"""How old a request id may be when it is seen for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRound:
    """What the gate knows of the round."""

    round_id: int
    track: str
    phase: Phase
    locks_at: datetime
    currency: str
    escrow_account_id: str
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """What is known of a player's or a till's account, whose row is locked."""

    currency: str
    balance_minor: int
    floor_minor: int
    blocked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """The answer that a request id was given; `ticket` as it was placed, where it was accepted."""

    content_hash: bytes
    verdict: Verdict
    reason: str
    ticket: Ticket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read under locks. `now` is the database's clock, read inside the gate; `batch_id` is new."""

    now: datetime
    batch_id: int
    round: GateRound | None
    keys: Mapping[str, KnownKey]
    payers: Mapping[str, Payer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to one order. `ticket` is set on a repeat of an accepted order, `placed_at` on a new acceptance."""

    verdict: Verdict
    replayed: bool
    reason: str
    placed_at: datetime | None
    ticket: Ticket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A decided batch: a decision per order in their order, and what of it has to be written.

    `kept` are the orders whose verdict is stored with their decisions; `accepted` those of them that became tickets.
    """

    decisions: Sequence[Decision]
    kept: Sequence[tuple[Order, Decision]]
    accepted: Sequence[Order]


def decide(orders: Sequence[Order], facts: Facts) -> Judged:
    """Decide on the orders of one batch."""
    expired_before_ms = int(facts.now.timestamp() * 1000) - REQUEST_ID_AGE_MS_MAX
    acceptance = Decision(verdict=Verdict.ACCEPTED, replayed=False, reason="", placed_at=facts.now, ticket=None)
    closed = _closed(facts)
    purse = _Purse(facts)
    answered: dict[str, tuple[Order, Decision]] = {}
    decisions: list[Decision] = []
    kept: list[tuple[Order, Decision]] = []
    accepted: list[Order] = []
    for order in orders:
        expired = request_id_time_ms(order.request_id) < expired_before_ms
        decision = _again(order, facts, answered, expired)
        if decision is None:
            refusal = _EXPIRED if expired else _refusal(order, closed, purse)
            if refusal is None:
                decision = acceptance
                accepted.append(order)
            else:
                decision = _refused(*refusal)
            answered[order.request_id] = (order, decision)
            if decision.verdict not in UNSTORED:
                kept.append((order, decision))
        decisions.append(decision)
    return Judged(decisions=decisions, kept=kept, accepted=accepted)


def request_id_time_ms(request_id: str) -> int:
    """When a UUIDv7 was made, in milliseconds of Unix time."""
    return int(request_id[:8] + request_id[9:13], 16)


_Refused = tuple[Verdict, str]

_EXPIRED: Final = (Verdict.REQUEST_ID_EXPIRED, "the request id is older than 7 days")
_REUSED: Final = (Verdict.REQUEST_ID_REUSED, "the request id was used before with another content")


def _refused(verdict: Verdict, reason: str) -> Decision:
    return Decision(verdict=verdict, replayed=False, reason=reason, placed_at=None, ticket=None)


def _again(
    order: Order, facts: Facts, answered: Mapping[str, tuple[Order, Decision]], expired: bool
) -> Decision | None:
    """The answer to an id that was answered before; None where it is new."""
    if (known := facts.keys.get(order.request_id)) is not None:
        content_hash, verdict, reason, ticket = known.content_hash, known.verdict, known.reason, known.ticket
    elif (earlier := answered.get(order.request_id)) is not None:
        content_hash, verdict, reason = earlier[0].content_hash, earlier[1].verdict, earlier[1].reason
        ticket = _placed(earlier[0], facts) if verdict is Verdict.ACCEPTED else None
    else:
        return None
    if content_hash != order.content_hash:
        return _refused(*(_EXPIRED if expired else _REUSED))
    return Decision(verdict=verdict, replayed=True, reason=reason, placed_at=None, ticket=ticket)


def _placed(order: Order, facts: Facts) -> Ticket:
    """The ticket that an order of this batch became."""
    assert facts.round is not None, "nothing is accepted without a round"
    return Ticket(
        ticket_id=order.request_id,
        round_id=facts.round.round_id,
        account_id=order.account_id,
        state=TicketState.ACCEPTED,
        stake_minor=order.stake_minor,
        payout_minor=0,
        placed_at=facts.now,
        lines=order.lines,
        currency=facts.round.currency,
    )


def _closed(facts: Facts) -> _Refused | None:
    """The refusal that meets every new order of the round; None while it takes tickets."""
    if facts.round is None:
        return Verdict.ROUND_NOT_FOUND, "no such round"
    if facts.round.phase is not Phase.OPEN or facts.now >= facts.round.locks_at:
        return Verdict.BETTING_CLOSED, "the round no longer takes tickets"
    return None


class _Purse:
    """What is left to spend as the batch is decided: of each payer's money, and of the round's possible payout."""

    __slots__ = ("_currency", "_payers", "_payout_minor_left", "_spent_minor")

    def __init__(self, facts: Facts) -> None:
        self._payers = facts.payers
        self._spent_minor: dict[str, int] = {}
        self._currency = facts.round.currency if facts.round else ""
        self._payout_minor_left = ROUND_PAYOUT_MINOR_MAX - (facts.round.totals.payout_minor_max if facts.round else 0)

    def refuses(self, order: Order) -> _Refused | None:
        """Take the order's stake; where that cannot be, say why and take nothing."""
        payout_minor = sum([line.payout_minor for line in order.lines])
        if payout_minor > self._payout_minor_left:
            return Verdict.LIABILITY_EXCEEDED, "the round has taken as much risk as it can count"
        payer = self._payers.get(order.account_id)
        if payer is None:
            return Verdict.ACCOUNT_NOT_FOUND, f"there is no account {order.account_id}"
        if payer.currency != self._currency:
            return (
                Verdict.ACCOUNT_NOT_FOUND,
                f"the account holds {payer.currency} and the track takes {self._currency}",
            )
        if payer.blocked:
            return Verdict.ACCOUNT_BLOCKED, "the account is blocked"
        spent_minor = self._spent_minor.get(order.account_id, 0) + order.stake_minor
        if payer.balance_minor - spent_minor < payer.floor_minor:
            return Verdict.INSUFFICIENT_FUNDS, "the balance does not cover the stake"
        self._spent_minor[order.account_id] = spent_minor
        self._payout_minor_left -= payout_minor
        return None


def _refusal(order: Order, closed: _Refused | None, purse: _Purse) -> _Refused | None:
    """The refusal with the lowest number, between what the gate, game and the purse have against the order."""
    if order.refusal is not None:
        of_game = (order.refusal, order.refusal_reason)
        return of_game if closed is None else min(of_game, closed, key=lambda refused: refused[0])
    return closed or purse.refuses(order)
