"""The decision on a batch of orders for one round: pure, in the order of arrival.

It is given what was read and locked in the same transaction, and everything that it answers is written or thrown away
with that transaction.

1. Idempotency stands before every rule: an order whose id has been answered gets that answer again.
2. Funds and risk run down only by what is accepted: a refused order takes nothing from the next.
3. A verdict is the lowest number of all that is true of the order, whoever found it, game or this.
4. An id answered within this very batch counts as answered.
5. An order that was judged by prices which have moved since is not decided, unless it is refused whatever they are:
   nothing of it is kept, and game judges it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from services.persist.domain.risk import Risk, Selection, Sold
from services.persist.domain.round import Limits, Phase, Totals
from services.persist.domain.suspension import NOTHING_SUSPENDED, Suspended
from services.persist.domain.ticket import NO_REVISION, Order, Ticket, TicketState
from services.persist.domain.verdict import UNSTORED, Verdict

HOUR_MS: Final = 60 * 60 * 1000

REQUEST_ID_AGE_MS_MAX: Final = 7 * 24 * HOUR_MS
"""How old a request id may be when it is seen for the first time."""

REQUEST_ID_AHEAD_MS_MAX: Final = 24 * HOUR_MS
"""How far ahead of the database's clock a request id may be: clocks go wrong, but an id of next year would be kept
for a year longer than others, in a partition that nobody has made yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRound:
    """What the gate knows of the round.

    `suspended` is the whole track, `parts_suspended` what of it is. `sold` is what each selection could come to pay;
    empty without limits.
    """

    round_id: int
    track: str
    phase: Phase
    suspended: bool
    locks_at: datetime
    currency: str
    escrow_account_id: str
    totals: Totals
    limits: Limits
    sold: Mapping[Selection, Sold]
    parts_suspended: Suspended = NOTHING_SUSPENDED
    price_revision: int = 0


class Payer(NamedTuple):
    """What is known of a player's or a till's account, whose row is locked.

    A named tuple, because one is made for nearly every ticket and a frozen dataclass costs four times as much.
    """

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

    `accepted` are the orders that became tickets, `refused` those whose refusal is stored, with their decisions.
    `stakes_minor` are the stakes of the accepted by account, `sold` what they bet by selection.
    """

    decisions: Sequence[Decision]
    accepted: Sequence[Order]
    refused: Sequence[tuple[Order, Decision]]
    stakes_minor: Mapping[str, int]
    sold: Mapping[Selection, Sold]


def decide(orders: Sequence[Order], facts: Facts) -> Judged:
    """Decide on the orders of one batch."""
    acceptance = Decision(verdict=Verdict.ACCEPTED, replayed=False, reason="", placed_at=facts.now, ticket=None)
    ages = _Ages(facts.now)
    closed = _closed(facts)
    suspended = facts.round.parts_suspended if facts.round else NOTHING_SUSPENDED
    now_ms = int(facts.now.timestamp() * 1000)
    judged_by = (NO_REVISION, facts.round.price_revision if facts.round else NO_REVISION)
    purse = _Purse(facts)
    answered: dict[str, tuple[Order, Decision]] = {}
    decisions: list[Decision] = []
    accepted: list[Order] = []
    refused: list[tuple[Order, Decision]] = []
    for order in orders:
        untimely = ages.refuse(order.request_id)
        if order.request_id in facts.keys or order.request_id in answered:
            decisions.append(_again(order, facts, answered, untimely))
            continue
        shut = closed or _suspended(order, suspended)
        if order.price_revision not in judged_by and shut is None and untimely is None:
            decisions.append(_UNDECIDED)
            continue
        refusal = untimely or _refusal(order, shut, purse, now_ms)
        if refusal is None:
            decision = acceptance
            accepted.append(order)
        else:
            decision = _refused(*refusal)
            if decision.verdict not in UNSTORED:
                refused.append((order, decision))
        answered[order.request_id] = (order, decision)
        decisions.append(decision)
    return Judged(
        decisions=decisions,
        accepted=accepted,
        refused=refused,
        stakes_minor=purse.spent_minor,
        sold=purse.risk.taken,
    )


_Refused = tuple[Verdict, str]

_QUOTE_EXPIRED: Final = (Verdict.PRICE_CHANGED, "the quote has expired")
_UNDECIDED: Final = Decision(
    verdict=Verdict.UNDECIDED, replayed=False, reason="the prices have moved", placed_at=None, ticket=None
)
_EXPIRED: Final = (Verdict.REQUEST_ID_EXPIRED, "the request id is older than 7 days")
_AHEAD: Final = (Verdict.REQUEST_ID_EXPIRED, "the request id is from the future, more than 24 hours ahead")
_REUSED: Final = (Verdict.REQUEST_ID_REUSED, "the request id was used before with another content")


class _Ages:
    """Which request ids are too old or too far ahead. A UUIDv7 begins with the milliseconds of its making, so ids
    compare as text with the first ones of a millisecond."""

    __slots__ = ("_first_ahead", "_oldest")

    def __init__(self, now: datetime) -> None:
        now_ms = int(now.timestamp() * 1000)
        self._oldest = _first_id_of(now_ms - REQUEST_ID_AGE_MS_MAX)
        self._first_ahead = _first_id_of(now_ms + REQUEST_ID_AHEAD_MS_MAX + 1)

    def refuse(self, request_id: str) -> _Refused | None:
        """Say what is wrong with the time of an id that was never seen; None where nothing is."""
        if self._oldest <= request_id < self._first_ahead:
            return None
        return _EXPIRED if request_id < self._oldest else _AHEAD


def _first_id_of(time_ms: int) -> str:
    """What the ids of a millisecond begin with; text that is shorter compares as less."""
    digits = f"{time_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _refused(verdict: Verdict, reason: str) -> Decision:
    return Decision(verdict=verdict, replayed=False, reason=reason, placed_at=None, ticket=None)


def _again(
    order: Order, facts: Facts, answered: Mapping[str, tuple[Order, Decision]], untimely: _Refused | None
) -> Decision:
    """The answer to an id that was answered before."""
    if (known := facts.keys.get(order.request_id)) is not None:
        content_hash, verdict, reason, ticket = known.content_hash, known.verdict, known.reason, known.ticket
    else:
        earlier, decision = answered[order.request_id]
        content_hash, verdict, reason = earlier.content_hash, decision.verdict, decision.reason
        ticket = _placed(earlier, facts) if verdict is Verdict.ACCEPTED else None
    if content_hash != order.content_hash:
        return _refused(*(untimely or _REUSED))
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
        terminal=order.terminal,
    )


def _closed(facts: Facts) -> _Refused | None:
    """The refusal that meets every new order of the round; None while it takes tickets."""
    if facts.round is None:
        return Verdict.ROUND_NOT_FOUND, "no such round"
    if facts.round.phase is not Phase.OPEN or facts.now >= facts.round.locks_at:
        return Verdict.BETTING_CLOSED, "the round no longer takes tickets"
    if facts.round.suspended:
        return Verdict.SUSPENDED, "betting on the track is suspended"
    return None


def _suspended(order: Order, suspended: Suspended) -> _Refused | None:
    """The refusal of an order with a part of the track that does not sell."""
    if suspended and (words := suspended.refuses(order)):
        return Verdict.SUSPENDED, words
    return None


class _Purse:
    """What is left as the batch is decided: of each payer's money, and of the risk that the house takes."""

    __slots__ = ("_currency", "_payers", "risk", "spent_minor")

    def __init__(self, facts: Facts) -> None:
        self._payers = facts.payers
        self._currency = facts.round.currency if facts.round else ""
        self.spent_minor: dict[str, int] = {}
        self.risk = Risk(facts.round.totals, facts.round.limits, facts.round.sold) if facts.round else Risk.of_nothing()

    def refuses(self, order: Order) -> _Refused | None:
        """Take the order's stake and its risk; where that cannot be, say why and take nothing."""
        if words := self.risk.exceeded_by(order):
            return Verdict.LIABILITY_EXCEEDED, words
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
        spent_minor = self.spent_minor.get(order.account_id, 0) + order.stake_minor
        if payer.balance_minor - spent_minor < payer.floor_minor:
            return Verdict.INSUFFICIENT_FUNDS, "the balance does not cover the stake"
        self.spent_minor[order.account_id] = spent_minor
        self.risk.take(order)
        return None


def _refusal(order: Order, closed: _Refused | None, purse: _Purse, now_ms: int) -> _Refused | None:
    """The refusal with the lowest number, between what the gate, game and the purse have against the order."""
    if order.refusal is not None:
        of_game = (order.refusal, order.refusal_reason)
        return of_game if closed is None else min(of_game, closed, key=lambda refused: refused[0])
    if closed is None and 0 < order.held_until_ms <= now_ms:
        return _QUOTE_EXPIRED
    return closed or purse.refuses(order)
