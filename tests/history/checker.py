"""Judges what clients were told against what is stored: the invariants of docs/architecture.md, one function each.

`check` returns a `Finding` for every thing that is wrong, a sentence with the ids in it, and none where all is well. It
is slow and plain on purpose and shares no code with the services; payouts, books and ticket roots are worked out by the
models of tests/model. Where a history is of more databases than one, or of a part of the rounds, filter first.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any, Final

from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import TicketResult

from tests.history.recorder import FAIL, OK, Call, Entry, calls
from tests.history.stored import (
    CANCELLED,
    CASHIER,
    CORRECTED,
    EXPIRED,
    PAID,
    PRIZE,
    REFUND,
    REVERSED,
    STAKE,
    VOID,
    VOIDED,
    WON,
    RoundRow,
    Stored,
    StoredEvent,
    StoredTicket,
)
from tests.model import ledger, settlement, tickets_root

PLACING: Final = frozenset(("AppendTickets", "PlaceTickets"))
UNSTORED: Final = frozenset(("REQUEST_ID_EXPIRED", "REQUEST_ID_REUSED"))
"""Verdicts that come from the id itself and need no memory."""
LOCKING: Final = frozenset(("LockRound", "VoidRound"))
ENDED: Final = frozenset((Round.SETTLED, Round.VOID))
LED: Final = frozenset((Round.OPEN, Round.LOCKED, Round.RUNNING, Round.FINISHED))
"""Phases that only the holder of a track's epoch brings a round to."""
RANK: Final[Mapping[int, int]] = {VOIDED: 0, WON: 0, REVERSED: 1, EXPIRED: 2, PAID: 3, CANCELLED: 4}
"""Of a decision's events, the one with the highest rank says how a ticket stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong: the invariant that does not hold, and where."""

    invariant: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.sentence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ticket of one call: what was asked for, and the answer where there is one."""

    call: Call
    request_id: str
    account_id: str
    round_id: int
    content: str
    answer: Mapping[str, Any] | None

    @property
    def verdict(self) -> str:
        """The verdict that the client was told; empty where it was told none."""
        return str(self.answer.get("verdict", "")) if self.answer is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A history and a database, with what all invariants look up in them."""

    calls: Sequence[Call]
    asked: Mapping[str, Sequence[Asked]]
    stored: Stored
    tickets: Mapping[str, Sequence[StoredTicket]]


def check(entries: Iterable[Entry], stored: Stored) -> list[Finding]:
    """Everything that is wrong."""
    made = calls(entries)
    asked: dict[str, list[Asked]] = defaultdict(list)
    for each in (ticket for call in made for ticket in _asked_in(call)):
        asked[each.request_id].append(each)
    tickets: dict[str, list[StoredTicket]] = defaultdict(list)
    for ticket in stored.tickets:
        tickets[ticket.bought.ticket_id].append(ticket)
    evidence = Evidence(calls=made, asked=asked, stored=stored, tickets=tickets)
    return [
        Finding(invariant=name, sentence=sentence)
        for name, invariant in INVARIANTS.items()
        for sentence in invariant(evidence)
    ]


# ---- tickets ---------------------------------------------------------------------------------------------------------


def acknowledged_is_stored_once(evidence: Evidence) -> Iterator[str]:
    """Invariant 1: an accepted ticket is stored, once, as it was asked for."""
    for request_id, asked in evidence.asked.items():
        found = evidence.tickets.get(request_id, ())
        for each in asked:
            if each.verdict != "ACCEPTED":
                continue
            if not found:
                yield f"ticket {request_id} was accepted (call {each.call.begin.call}) and is not stored"
            for ticket in found:
                if (ticket.round_id, ticket.bought.account_id) != (each.round_id, each.account_id):
                    yield f"ticket {request_id} is stored for round {ticket.round_id}, {ticket.bought.account_id}"
    for ticket_id, found in evidence.tickets.items():
        if len(found) > 1:
            yield f"ticket {ticket_id} is stored {len(found)} times, in rounds {[each.round_id for each in found]}"
    for ticket in evidence.stored.tickets:
        key = evidence.stored.keys.get(ticket.bought.ticket_id)
        if key is None or (key.verdict, key.round_id) != (TicketResult.ACCEPTED, ticket.round_id):
            yield f"ticket {ticket.bought.ticket_id} is stored in round {ticket.round_id}, but its key says {key}"
        if not ticket.bought.lines:
            yield f"ticket {ticket.bought.ticket_id} is stored without a line"


def stored_is_acknowledged_or_in_doubt(evidence: Evidence) -> Iterator[str]:
    """Invariant 1: a ticket that no client was told of is one that some client is in doubt about."""
    for ticket_id in evidence.tickets:
        asked = evidence.asked.get(ticket_id, ())
        if not asked:
            yield f"ticket {ticket_id} is stored and nobody asked for it"
        elif all(each.call.outcome == FAIL or _told_otherwise(each) for each in asked):
            told = [each.verdict or each.call.outcome for each in asked]
            yield f"ticket {ticket_id} is stored, and its clients were told only {told}"


def same_id_same_answer(evidence: Evidence) -> Iterator[str]:
    """Invariant 2: the same id with the same content has one answer for ever, and it is the stored one."""
    for request_id, asked in evidence.asked.items():
        for content in sorted({each.content for each in asked}):
            answers = [each for each in asked if each.content == content and each.answer is not None]
            lasting = [each for each in answers if each.verdict != "REQUEST_ID_EXPIRED"]
            for one, next_one in pairwise(lasting):
                if difference := _difference(one.answer or {}, next_one.answer or {}):
                    yield f"id {request_id} was answered in two ways: {difference}"
        key = evidence.stored.keys.get(request_id)
        for each in asked:
            if each.verdict and each.verdict not in UNSTORED:
                kept = _verdict_name(key.verdict) if key is not None else "nothing"
                if kept != each.verdict:
                    yield f"id {request_id} was answered {each.verdict}, and {kept} is stored"
    for (method, request_id), given in _other_answers(evidence).items():
        if any(answer != given[0] for answer in given):
            yield f"id {request_id} of {method} was answered in two ways: {given}"


def nothing_is_placed_after_the_lock(evidence: Evidence) -> Iterator[str]:
    """Invariant 3: by the database's clock, by the fixed root, and by the order in which clients saw it happen."""
    locked_at: dict[int, datetime] = {}
    roots: dict[int, str] = {}
    for transition in evidence.stored.transitions:
        if transition.phase in (Round.LOCKED, Round.VOID):
            locked_at.setdefault(transition.round_id, transition.made_at)
        if transition.phase == Round.LOCKED:
            roots[transition.round_id] = transition.tickets_root
    by_round = defaultdict(list)
    for ticket in evidence.stored.tickets:
        by_round[ticket.round_id].append(ticket)
        if ticket.round_id in locked_at and ticket.placed_at >= locked_at[ticket.round_id]:
            late = ticket.placed_at - locked_at[ticket.round_id]
            yield f"ticket {ticket.bought.ticket_id} was placed {late} after the lock of round {ticket.round_id}"
    for round_id, root in roots.items():
        batches = [[each.bought for each in batch] for _, batch in groupby(by_round[round_id], key=_batch)]
        if tickets_root.tickets_root(batches, round_id) != root:
            yield f"the tickets of round {round_id} are not those that its root was fixed over"
    yield from _accepted_after_a_lock_was_told(evidence)


# ---- settlement ------------------------------------------------------------------------------------------------------


def settled_once(evidence: Evidence) -> Iterator[str]:
    """Invariant 4: a round is settled or voided once, corrections follow, and each chunk is posted once."""
    for round_id, decisions in groupby(evidence.stored.decisions, key=lambda each: each.round_id):
        made = list(decisions)
        if [each.settlement_no for each in made] != list(range(1, len(made) + 1)):
            yield f"the decisions of round {round_id} are numbered {[each.settlement_no for each in made]}"
        kinds = [each.kind for each in made]
        if kinds[0] == CORRECTED or any(kind != CORRECTED for kind in kinds[1:]) or (kinds[0] == VOID and kinds[1:]):
            yield f"round {round_id} was decided as {kinds}, not once as 1 (settled) or 2 (void), then as 3 (corrected)"
        for each in made:
            expected = list(range(1, each.chunks + 1))
            is_done = each is not made[-1] or not evidence.stored.rounds[round_id].posting
            if list(each.chunks_posted) != (expected if is_done else expected[: len(each.chunks_posted)]):
                yield (
                    f"decision {each.settlement_no} of round {round_id} has {each.chunks} chunks, "
                    f"and {list(each.chunks_posted)} are posted"
                )
    for round_ in evidence.stored.rounds.values():
        decided = any(each.round_id == round_.round_id for each in evidence.stored.decisions)
        has_tickets = any(each.round_id == round_.round_id for each in evidence.stored.tickets)
        if round_.phase in ENDED and has_tickets and not decided:
            yield f"round {round_.round_id} is {_phase_name(round_.phase)} without a decision"


def paid_once(evidence: Evidence) -> Iterator[str]:
    """Invariant 4: one stake per ticket, one prize or refund per ticket and decision, one way out for a prize."""
    stakes = Counter(each.ticket_id for each in evidence.stored.ticket_transfers if each.kind == STAKE)
    for ticket_id in evidence.tickets:
        if stakes[ticket_id] != 1:
            yield f"the stake of ticket {ticket_id} was taken {stakes[ticket_id]} times"
    ins = Counter(
        (each.ticket_id, each.settlement_no)
        for each in evidence.stored.ticket_transfers
        if each.kind in (PRIZE, REFUND)
    )
    for (ticket_id, settlement_no), times in ins.items():
        if times > 1:
            yield f"ticket {ticket_id} was paid {times} times by decision {settlement_no}"
        if ticket_id not in evidence.tickets:
            yield f"{ticket_id} was paid by decision {settlement_no} and is no ticket"
    outs = Counter(
        (each.ticket_id, each.settlement_no) for each in evidence.stored.events if each.kind in (PAID, EXPIRED)
    )
    for (ticket_id, settlement_no), times in outs.items():
        if times > 1:
            yield f"the prize of ticket {ticket_id}, decision {settlement_no}, was paid out or expired {times} times"


def payouts_are_the_models(evidence: Evidence) -> Iterator[str]:
    """Invariant 6: what every ticket of an ended round is owed, by the independent model."""
    events = defaultdict(list)
    for event in evidence.stored.events:
        events[event.ticket_id].append(event)
    for round_ in evidence.stored.rounds.values():
        if round_.phase in ENDED and not round_.posting:
            tickets = [each for each in evidence.stored.tickets if each.round_id == round_.round_id]
            yield from _wrong_payouts(evidence.stored, round_, tickets, events)


# ---- books -----------------------------------------------------------------------------------------------------------


def books_hold(evidence: Evidence) -> Iterator[str]:
    """Invariant 5: double entry, floors, and balances that are the sums of their transfers."""
    yield from ledger.faults(evidence.stored.accounts, evidence.stored.transfers)
    balances = {account.account_id: account.balance_minor for account in evidence.stored.accounts}
    for round_ in evidence.stored.rounds.values():
        held_minor = balances.get(round_.escrow_account_id, 0)
        if round_.phase in ENDED and not round_.posting and held_minor != 0:
            yield f"round {round_.round_id} is over and its escrow holds {held_minor}"


def sums_are_those_of_the_tickets(evidence: Evidence) -> Iterator[str]:
    """What was counted while selling is what was sold, cancelled tickets taken off."""
    cancelled = {each.ticket_id for each in evidence.stored.events if each.kind == CANCELLED}
    sold = defaultdict(list)
    for ticket in evidence.stored.tickets:
        if ticket.bought.ticket_id not in cancelled:
            sold[ticket.round_id].append(ticket.bought.stake_minor)
    for round_id, counted in evidence.stored.exposure.items():
        if counted != (len(sold[round_id]), sum(sold[round_id])):
            yield f"round {round_id} counted {counted}, sold {len(sold[round_id])} tickets for {sum(sold[round_id])}"


# ---- rounds ----------------------------------------------------------------------------------------------------------


def phases_never_go_back(evidence: Evidence) -> Iterator[str]:
    """Invariant 8, and that a round is where its last transition left it."""
    by_round = defaultdict(list)
    for transition in evidence.stored.transitions:
        by_round[transition.round_id].append(transition)
    for round_id, made in by_round.items():
        phases = [each.phase for each in made]
        for before, after in pairwise(phases):
            if not _may_follow(before, after):
                yield f"round {round_id} went from {_phase_name(before)} to {_phase_name(after)}"
        round_ = evidence.stored.rounds[round_id]
        if (round_.phase, round_.transition_seq) != (phases[-1], made[-1].transition_seq):
            yield f"round {round_id} is {round_}, and its last transition is {made[-1]}"


def transitions_have_no_gap(evidence: Evidence) -> Iterator[str]:
    """Invariant 10: a track's transitions are numbered 1, 2, 3, ... in the order in which they were made."""
    for track, transitions in groupby(evidence.stored.transitions, key=lambda each: each.track):
        made = list(transitions)
        numbers = [each.transition_seq for each in made]
        if numbers != list(range(1, len(numbers) + 1)):
            missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
            yield f"the transitions of {track} end with {max(numbers)} and miss {missing}"
        if evidence.stored.track_seqs[track] != max(numbers):
            yield f"{track} has counted {evidence.stored.track_seqs[track]} transitions and has {max(numbers)}"
        for one, next_one in pairwise(made):
            if next_one.made_at < one.made_at:
                yield f"transition {next_one.transition_seq} of {track} was made before the one before it"


def epochs_never_fall(evidence: Evidence) -> Iterator[str]:
    """Invariant 9: whoever holds an older epoch changes nothing any more.

    A void by an operator, a posting and a correction need no epoch: they keep the one that the round has.
    """
    of_track: dict[str, int] = defaultdict(int)
    of_round: dict[int, int] = defaultdict(int)
    for each in evidence.stored.transitions:
        least = max(of_round[each.round_id], of_track[each.track] if each.phase in LED else 0)
        if each.epoch < least:
            yield f"transition {each.transition_seq} of {each.track} has epoch {each.epoch} after {least}"
        of_round[each.round_id] = max(each.epoch, of_round[each.round_id])
        of_track[each.track] = max(each.epoch, of_track[each.track])


Invariant = Callable[[Evidence], Iterator[str]]

INVARIANTS: Final[Mapping[str, Invariant]] = {
    function.__name__: function
    for function in (
        acknowledged_is_stored_once,
        stored_is_acknowledged_or_in_doubt,
        same_id_same_answer,
        nothing_is_placed_after_the_lock,
        settled_once,
        paid_once,
        payouts_are_the_models,
        books_hold,
        sums_are_those_of_the_tickets,
        phases_never_go_back,
        transitions_have_no_gap,
        epochs_never_fall,
    )
}


# ---- what the invariants look up -------------------------------------------------------------------------------------


def _asked_in(call: Call) -> Iterator[Asked]:
    """The tickets of a call that places some, with their answers."""
    if call.begin.method not in PLACING:
        return
    content = call.begin.content
    orders = content.get("tickets", [])
    answers: Sequence[Mapping[str, Any] | None] = [None] * len(orders)
    if call.outcome == OK and call.end is not None:
        answers = call.end.answer.get("results") or call.end.answer.get("verdicts") or []
    assert len(answers) == len(orders), f"call {call.begin.call} has {len(orders)} orders and {len(answers)} answers"
    for order, answer in zip(orders, answers, strict=True):
        yield Asked(
            call=call,
            request_id=order["request_id"],
            account_id=order.get("account_id", ""),
            round_id=int(content.get("round_id", 0)),
            content=str(order.get("content_hash") or (content.get("round_id"), order)),
            answer=answer,
        )


def _told_otherwise(asked: Asked) -> bool:
    """Whether the client was told that this is no ticket; a repeat with another content says nothing about it."""
    return asked.verdict not in {"", "ACCEPTED"} | UNSTORED


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what two answers to the same order differ; that one is a repeat, and what became of the ticket, may."""
    for name in ("verdict", "reason"):
        if one.get(name) != other.get(name):
            return f"{name} {one.get(name)!r} and {other.get(name)!r}"
    if _placed_at(one) != _placed_at(other):
        return f"placed at {_placed_at(one)} and {_placed_at(other)}"
    ticket, other_ticket = one.get("ticket"), other.get("ticket")
    if ticket and other_ticket:
        for name in ("ticket_id", "round_id", "account_id", "stake_minor", "lines"):
            if ticket.get(name) != other_ticket.get(name):
                return f"{name} {ticket.get(name)!r} and {other_ticket.get(name)!r}"
    return ""


def _placed_at(answer: Mapping[str, Any]) -> Any:
    return answer.get("placed_at") or answer.get("ticket", {}).get("placed_at")


def _other_answers(evidence: Evidence) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
    """The answers to the calls that carry one id as a whole, by method and id."""
    found = defaultdict(list)
    for call in evidence.calls:
        request_id = str(call.begin.content.get("request_id", ""))
        if request_id and call.begin.method not in PLACING and call.outcome == OK and call.end is not None:
            found[call.begin.method, request_id].append(call.end.answer)
    return found


def _accepted_after_a_lock_was_told(evidence: Evidence) -> Iterator[str]:
    told: dict[int, int] = {}
    for call in evidence.calls:
        if call.begin.method in LOCKING and call.outcome == OK and call.end is not None:
            round_id = int(call.begin.content["round_id"])
            told[round_id] = min(call.end.n, told.get(round_id, call.end.n))
    for request_id, asked in evidence.asked.items():
        first = asked[0]  # a repeat of what was asked in time may be answered late
        if first.verdict == "ACCEPTED" and first.round_id in told and first.call.begin.n > told[first.round_id]:
            yield f"ticket {request_id} was asked for after round {first.round_id} was told to be locked, and accepted"


def _verdict_name(number: int) -> str:
    return TicketResult.Verdict.Name(TicketResult.Verdict.ValueType(number))


def _phase_name(number: int) -> str:
    return Round.Phase.Name(Round.Phase.ValueType(number))


def _batch(ticket: StoredTicket) -> int:
    return ticket.batch_id


def _may_follow(before: int, after: int) -> bool:
    if before == Round.SETTLED:
        return after == Round.SETTLED  # a correction
    if after == Round.VOID:
        return before in (Round.OPEN, Round.LOCKED)
    return after == before + 1 and before != Round.VOID


def _wrong_payouts(
    stored: Stored, round_: RoundRow, tickets: Sequence[StoredTicket], events: Mapping[str, Sequence[StoredEvent]]
) -> Iterator[str]:
    is_void = round_.phase == Round.VOID
    bought = [each.bought for each in tickets]
    owed = settlement.refunds_minor(bought) if is_void else settlement.payouts_minor(bought, round_.result)
    corrected = any(each.round_id == round_.round_id and each.kind == CORRECTED for each in stored.decisions)
    total_minor = 0
    for ticket in bought:
        mine = sorted(events.get(ticket.ticket_id, ()), key=lambda each: (each.settlement_no, RANK[each.kind]))
        if any(each.kind == CANCELLED for each in mine):
            if len(mine) > 1:
                yield f"ticket {ticket.ticket_id} was cancelled and has the events {mine}"
            continue
        owed_minor = owed[ticket.ticket_id]
        total_minor += owed_minor
        if corrected and stored.account_kinds.get(ticket.account_id) == CASHIER:
            continue  # what was handed out at a till stays out: the difference alone can be claimed
        given = [each for each in mine if each.kind in (WON, VOIDED)]
        is_reversed = bool(mine) and mine[-1].kind == REVERSED
        given_minor = given[-1].payout_minor if given and not is_reversed else 0
        if given_minor != owed_minor:
            yield f"ticket {ticket.ticket_id}, round {round_.round_id}, is owed {owed_minor} and got {given_minor}"
    if not is_void and round_.payout_minor != total_minor:
        yield f"round {round_.round_id} says that it paid {round_.payout_minor}, and its tickets are owed {total_minor}"
