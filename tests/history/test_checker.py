"""The checker finds nothing in a world that is right, and every planted fault in one that is not."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import TicketResult

from tests.history.checker import INVARIANTS, check
from tests.history.recorder import FAIL, INFO, INVOKE, OK, Entry
from tests.history.stored import (
    CANCELLED,
    CORRECTED,
    PAID,
    PRIZE,
    REFUND,
    REVERSED,
    SETTLED,
    STAKE,
    VOID,
    VOIDED,
    WON,
    Decision,
    RoundRow,
    Stored,
    StoredEvent,
    StoredKey,
    StoredTicket,
    TicketTransfer,
    Transition,
)
from tests.model.ledger import BookAccount, BookTransfer
from tests.model.settlement import BoughtLine, BoughtTicket
from tests.model.tickets_root import tickets_root

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANN, BOB, TILL, HOUSE, CASH = (f"01976f5e-0000-7000-8000-0000000000a{n}" for n in range(1, 6))
ESCROWS = {1: "01976f5e-0000-7000-8000-0000000000e1", 2: "01976f5e-0000-7000-8000-0000000000e2"}
PLAYER, CASHIER_KIND, HOUSE_KIND = 1, 2, 3


def ticket_id(number: int) -> str:
    return f"01976f5e-8c00-7000-8000-{number:012d}"


def bought(number: int, account_id: str, runner: int, stake_minor: int = 100) -> BoughtTicket:
    line = BoughtLine(market="WIN", runners=(runner,), stake_minor=stake_minor, price_hundredths=235)
    return BoughtTicket(ticket_id=ticket_id(number), account_id=account_id, lines=(line,))


# Round 1 is settled, runner 1 won; tickets 1 and 3 win, 2 loses, 4 was cancelled. Round 2 was voided with ticket 5.
BOUGHT = {
    1: bought(1, ANN, 1), 2: bought(2, BOB, 2), 3: bought(3, BOB, 1), 4: bought(4, ANN, 3), 5: bought(5, ANN, 1),
}  # fmt: skip
BATCHES = {1: [[1, 2], [3, 4]], 2: [[5]]}
REFUSED = 6


class World:
    """A history and a database that agree. A test spoils something in it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.stored = self._stored()
        for round_id, batches in BATCHES.items():
            for batch in batches:
                self.placed(round_id, *batch)
        self.asked({"round_id": "1", "tickets": [self.order(REFUSED, ANN, 9)]}, self.refusal("STAKE_BELOW_MIN"))
        self.call("LockRound", {"request_id": "lock-1", "round_id": "1"}, OK, {"stored": {"epoch": "1"}})
        self.placed(1, 1, replayed=True)

    # ---- what clients did

    def call(
        self, method: str, content: dict[str, Any], kind: str | None, answer: dict[str, Any] | None = None
    ) -> None:
        number = max((each.n for each in self.entries), default=0) + 1
        common = {"client": "ann", "call": number, "method": method}
        self.entries.append(Entry(n=number, t_s=number, kind=INVOKE, content=content, answer={}, **common))  # type: ignore[arg-type]
        if kind is not None:
            self.entries.append(
                Entry(n=number + 1, t_s=number, kind=kind, content={}, answer=answer or {}, **common)  # type: ignore[arg-type]
            )

    def asked(self, content: dict[str, Any], *results: dict[str, Any], kind: str | None = OK) -> None:
        self.call("PlaceTickets", content, kind, {"results": list(results)})

    def placed(self, round_id: int, *numbers: int, replayed: bool = False, kind: str | None = OK) -> None:
        orders = [self.order(number, BOUGHT[number].account_id, 1) for number in numbers]
        results = [self.acceptance(round_id, number, replayed) for number in numbers]
        self.asked({"round_id": str(round_id), "tickets": orders}, *results, kind=kind)

    def order(self, number: int, account_id: str, runner: int) -> dict[str, Any]:
        return {"request_id": ticket_id(number), "account_id": account_id, "lines": [{"runners": [runner]}]}

    def acceptance(self, round_id: int, number: int, replayed: bool = False) -> dict[str, Any]:
        ticket = {"ticket_id": ticket_id(number), "round_id": str(round_id), "account_id": BOUGHT[number].account_id}
        ticket |= {
            "state": "WON" if replayed else "ACCEPTED",
            "placed_at": (NOON + timedelta(seconds=number)).isoformat(),
        }
        return {"verdict": "ACCEPTED", "replayed": replayed, "ticket": ticket}

    def refusal(self, verdict: str) -> dict[str, Any]:
        return {"verdict": verdict, "reason": "because"}

    # ---- what is stored

    def change(self, **fields: Any) -> None:
        self.stored = replace(self.stored, **fields)

    def _stored(self) -> Stored:
        tickets = [
            StoredTicket(
                round_id=round_id,
                bought=BOUGHT[number],
                batch_id=10 * round_id + place,
                placed_at=NOON + timedelta(seconds=number),
            )
            for round_id, batches in BATCHES.items()
            for place, batch in enumerate(batches)
            for number in batch
        ]
        keys = {
            each.bought.ticket_id: StoredKey(verdict=TicketResult.ACCEPTED, round_id=each.round_id) for each in tickets
        }
        keys[ticket_id(REFUSED)] = StoredKey(verdict=TicketResult.STAKE_BELOW_MIN, round_id=1, reason="because")
        root = tickets_root([[BOUGHT[number] for number in batch] for batch in BATCHES[1]], 1)
        phases = [(1, Round.OPEN), (1, Round.LOCKED), (1, Round.RUNNING), (1, Round.FINISHED), (2, Round.OPEN),
                  (1, Round.SETTLED), (2, Round.VOID)]  # fmt: skip
        transitions = [
            Transition(
                track="mile",
                transition_seq=n,
                round_id=round_id,
                phase=phase,
                epoch=3,
                made_at=NOON + timedelta(minutes=n - 1),
                tickets_root=root if phase == Round.LOCKED else "",
            )
            for n, (round_id, phase) in enumerate(phases, 1)
        ]
        return Stored(
            keys=keys,
            tickets=tickets,
            events=[event(1, WON, 1, 235), event(3, WON, 1, 235), event(4, CANCELLED, 0, 0), event(5, VOIDED, 1, 100)],
            ticket_transfers=[
                *(moved(number, STAKE, 0, 100) for number in BOUGHT),
                *(moved(number, PRIZE, 1, 235) for number in (1, 3)),
                moved(4, REFUND, 0, 100),
                moved(5, REFUND, 1, 100),
            ],
            rounds={
                1: round_row(1, Round.SETTLED, 6, result=[1, 2, 3], payout_minor=470),
                2: round_row(2, Round.VOID, 7),
            },
            transitions=transitions,
            track_seqs={"mile": 7},
            decisions=[decision(1, 1, SETTLED), decision(2, 1, VOID)],
            exposure={1: (3, 300), 2: (1, 100)},
            accounts=[
                account(ANN, 1_135), account(BOB, 1_035), account(HOUSE, -170, None), account(CASH, -2_000, None),
                account(ESCROWS[1], 0), account(ESCROWS[2], 0),
            ],
            account_kinds={ANN: PLAYER, BOB: PLAYER, TILL: CASHIER_KIND, HOUSE: HOUSE_KIND},
            transfers=[
                book(CASH, ANN, 1_000, 1), book(CASH, BOB, 1_000, 2),
                book(ANN, ESCROWS[1], 100, 3), book(BOB, ESCROWS[1], 100, 3), book(BOB, ESCROWS[1], 100, 4),
                book(ANN, ESCROWS[1], 100, 4), book(ANN, ESCROWS[2], 100, 5), book(ESCROWS[1], ANN, 100, 6),
                book(HOUSE, ESCROWS[1], 170, 7), book(ESCROWS[1], ANN, 235, 7), book(ESCROWS[1], BOB, 235, 7),
                book(ESCROWS[2], ANN, 100, 8),
            ],
        )  # fmt: skip


def event(number: int, kind: int, settlement_no: int, payout_minor: int) -> StoredEvent:
    return StoredEvent(
        round_id=round_of(number), ticket_id=ticket_id(number), kind=kind, settlement_no=settlement_no,
        payout_minor=payout_minor,
    )  # fmt: skip


def moved(number: int, kind: int, settlement_no: int, amount_minor: int) -> TicketTransfer:
    return TicketTransfer(
        round_id=round_of(number), ticket_id=ticket_id(number), kind=kind, settlement_no=settlement_no,
        amount_minor=amount_minor,
    )  # fmt: skip


def round_of(number: int) -> int:
    return 2 if number == 5 else 1


def round_row(round_id: int, phase: int, seq: int, **fields: Any) -> RoundRow:
    common: dict[str, Any] = {"result": [], "payout_minor": 0, "posting": False}
    return RoundRow(
        round_id=round_id, track="mile", phase=phase, transition_seq=seq, escrow_account_id=ESCROWS[round_id],
        **(common | fields),
    )  # fmt: skip


def decision(round_id: int, settlement_no: int, kind: int, chunks: int = 1) -> Decision:
    posted = list(range(1, chunks + 1))
    return Decision(round_id=round_id, settlement_no=settlement_no, kind=kind, chunks=chunks, chunks_posted=posted)


def account(account_id: str, balance_minor: int, floor_minor: int | None = 0) -> BookAccount:
    return BookAccount(account_id=account_id, currency="EUR", balance_minor=balance_minor, floor_minor=floor_minor)


def book(debit: str, credit: str, amount_minor: int, transaction: int) -> BookTransfer:
    return BookTransfer(
        debit_account_id=debit, credit_account_id=credit, amount_minor=amount_minor, transaction=transaction
    )


# ---- a world that is right -------------------------------------------------------------------------------------------


def test_nothing_is_found_where_all_is_well() -> None:
    world = World()
    assert check(world.entries, world.stored) == []


def test_a_stored_ticket_that_is_in_doubt_is_no_finding() -> None:
    for kind in (INFO, None):
        world = World()
        del world.entries[0:2], world.entries[-2:]
        world.placed(1, 1, 2, kind=kind)
        world.entries = [*world.entries[-2 if kind else -1 :], *world.entries[: -2 if kind else -1]]
        assert check(world.entries, world.stored) == []


def test_a_correction_is_judged_by_the_last_decision() -> None:
    world = World()
    correct(world)
    assert check(world.entries, world.stored) == []


def correct(world: World) -> None:
    """Runner 2 has won round 1 after all: ticket 2 is paid, what 1 and 3 got is taken back."""
    transition = replace(world.stored.transitions[5], transition_seq=8, made_at=NOON + timedelta(hours=1))
    new = [event(1, REVERSED, 2, 235), event(3, REVERSED, 2, 235), event(2, WON, 2, 235)]
    accounts = {each.account_id: each for each in world.stored.accounts}
    changes = {ANN: -235, BOB: 0, HOUSE: 235}
    for account_id, by_minor in changes.items():
        accounts[account_id] = replace(
            accounts[account_id], balance_minor=accounts[account_id].balance_minor + by_minor
        )
    world.change(
        events=[*world.stored.events, *new],
        ticket_transfers=[*world.stored.ticket_transfers, moved(2, PRIZE, 2, 235)],
        rounds={**world.stored.rounds, 1: round_row(1, Round.SETTLED, 8, result=[2, 1, 3], payout_minor=235)},
        transitions=[*world.stored.transitions, transition],
        track_seqs={"mile": 8},
        decisions=[decision(1, 1, SETTLED), decision(1, 2, CORRECTED), decision(2, 1, VOID)],
        accounts=list(accounts.values()),
        transfers=[
            *world.stored.transfers, book(ANN, ESCROWS[1], 235, 9), book(BOB, ESCROWS[1], 235, 9),
            book(ESCROWS[1], BOB, 235, 9), book(ESCROWS[1], HOUSE, 235, 9),
        ],
    )  # fmt: skip


# ---- planted faults --------------------------------------------------------------------------------------------------


def lose_a_ticket(world: World) -> None:
    world.change(tickets=[each for each in world.stored.tickets if each.bought.ticket_id != ticket_id(5)])


def double_a_ticket(world: World) -> None:
    world.change(tickets=[*world.stored.tickets, replace(world.stored.tickets[0], round_id=2)])


def store_a_ticket_without_its_key(world: World) -> None:
    world.change(keys={key: value for key, value in world.stored.keys.items() if key != ticket_id(2)})


def store_what_nobody_asked_for(world: World) -> None:
    del world.entries[4:6]


def store_what_was_refused_as_a_whole(world: World) -> None:
    world.entries[5] = replace(world.entries[5], kind=FAIL, answer={"reason": "DEPENDENCY_DOWN"})


def change_a_verdict(world: World) -> None:
    world.asked({"round_id": "1", "tickets": [world.order(REFUSED, ANN, 9)]}, world.refusal("INSUFFICIENT_FUNDS"))


def change_the_time_of_a_ticket(world: World) -> None:
    answer = deepcopy(world.acceptance(1, 1, replayed=True))
    answer["ticket"]["placed_at"] = NOON.isoformat()
    world.asked({"round_id": "1", "tickets": [world.order(1, ANN, 1)]}, answer)


def forget_a_refusal(world: World) -> None:
    world.change(keys={key: value for key, value in world.stored.keys.items() if key != ticket_id(REFUSED)})


def answer_a_lock_in_two_ways(world: World) -> None:
    world.call("LockRound", {"request_id": "lock-1", "round_id": "1"}, OK, {"stored": {"epoch": "2"}})


def place_after_the_lock(world: World) -> None:
    first, *rest = world.stored.tickets
    world.change(tickets=[replace(first, placed_at=NOON + timedelta(minutes=2)), *rest])


def slip_a_ticket_under_a_fixed_root(world: World) -> None:
    extra = StoredTicket(round_id=1, bought=bought(7, BOB, 2), batch_id=11, placed_at=NOON)
    world.change(tickets=[*world.stored.tickets[:4], extra, *world.stored.tickets[4:]])


def accept_what_was_asked_after_the_lock(world: World) -> None:
    lock = world.entries[8:10]
    world.entries = [*(replace(each, n=each.n - 100) for each in lock), *world.entries[:8], *world.entries[10:]]


def settle_twice(world: World) -> None:
    world.change(decisions=[decision(1, 1, SETTLED), decision(1, 2, SETTLED), decision(2, 1, VOID)])


def void_what_was_settled(world: World) -> None:
    world.change(decisions=[decision(1, 1, SETTLED), decision(1, 2, VOID), decision(2, 1, VOID)])


def skip_a_chunk(world: World) -> None:
    skipped = replace(decision(1, 1, SETTLED, chunks=3), chunks_posted=[1, 3])
    world.change(decisions=[skipped, decision(2, 1, VOID)])


def end_a_round_without_a_decision(world: World) -> None:
    world.change(decisions=[decision(1, 1, SETTLED)])


def pay_a_ticket_twice(world: World) -> None:
    world.change(ticket_transfers=[*world.stored.ticket_transfers, moved(1, PRIZE, 1, 235)])


def take_a_stake_twice(world: World) -> None:
    world.change(ticket_transfers=[*world.stored.ticket_transfers, moved(2, STAKE, 0, 100)])


def hand_a_prize_out_twice(world: World) -> None:
    world.change(events=[*world.stored.events, event(3, PAID, 1, 235), event(3, PAID, 1, 235)])


def pay_too_much(world: World) -> None:
    world.change(events=[event(1, WON, 1, 236), *world.stored.events[1:]])


def pay_a_loser(world: World) -> None:
    world.change(events=[*world.stored.events, event(2, WON, 1, 235)])


def forget_a_refund(world: World) -> None:
    world.change(events=world.stored.events[:-1])


def pay_a_cancelled_ticket(world: World) -> None:
    world.change(events=[*world.stored.events, event(4, WON, 1, 235)])


def forget_to_pay_after_a_correction(world: World) -> None:
    correct(world)
    world.change(events=world.stored.events[:-1])


def total_the_payouts_wrongly(world: World) -> None:
    world.change(rounds={**world.stored.rounds, 1: replace(world.stored.rounds[1], payout_minor=469)})


def make_money(world: World) -> None:
    world.change(accounts=[replace(world.stored.accounts[0], balance_minor=1_136), *world.stored.accounts[1:]])


def go_below_the_floor(world: World) -> None:
    world.change(transfers=[book(ANN, BOB, 1, 0), book(BOB, ANN, 1, 0), *world.stored.transfers[1:],
                            world.stored.transfers[0]])  # fmt: skip


def leave_money_in_an_escrow(world: World) -> None:
    accounts = [*world.stored.accounts[:2], account(HOUSE, -171, None), *world.stored.accounts[3:4],
                account(ESCROWS[1], 1), *world.stored.accounts[5:]]  # fmt: skip
    world.change(accounts=accounts, transfers=[*world.stored.transfers, book(HOUSE, ESCROWS[1], 1, 9)])


def count_too_few_tickets(world: World) -> None:
    world.change(exposure={**world.stored.exposure, 1: (2, 200)})


def go_back_a_phase(world: World) -> None:
    changed = [
        replace(each, phase=Round.OPEN) if each.transition_seq == 3 else each for each in world.stored.transitions
    ]
    world.change(transitions=changed)


def void_after_the_draw(world: World) -> None:
    changed = [
        replace(each, phase=Round.VOID) if each.transition_seq == 6 else each for each in world.stored.transitions
    ]
    world.change(transitions=changed, rounds={**world.stored.rounds, 1: round_row(1, Round.VOID, 6)})


def lose_a_transition(world: World) -> None:
    world.change(transitions=[each for each in world.stored.transitions if each.transition_seq != 4])


def count_a_transition_that_is_not_there(world: World) -> None:
    world.change(track_seqs={"mile": 8})


def let_an_old_holder_write(world: World) -> None:
    changed = [replace(each, epoch=2) if each.transition_seq == 5 else each for each in world.stored.transitions]
    world.change(transitions=changed)


FAULTS: dict[str, list[Callable[[World], None]]] = {
    "acknowledged_is_stored_once": [lose_a_ticket, double_a_ticket, store_a_ticket_without_its_key],
    "stored_is_acknowledged_or_in_doubt": [store_what_nobody_asked_for, store_what_was_refused_as_a_whole],
    "same_id_same_answer": [
        change_a_verdict, change_the_time_of_a_ticket, forget_a_refusal, answer_a_lock_in_two_ways,
    ],
    "nothing_is_placed_after_the_lock": [
        place_after_the_lock, slip_a_ticket_under_a_fixed_root, accept_what_was_asked_after_the_lock,
    ],
    "settled_once": [settle_twice, void_what_was_settled, skip_a_chunk, end_a_round_without_a_decision],
    "paid_once": [pay_a_ticket_twice, take_a_stake_twice, hand_a_prize_out_twice],
    "payouts_are_the_models": [
        pay_too_much, pay_a_loser, forget_a_refund, pay_a_cancelled_ticket, forget_to_pay_after_a_correction,
        total_the_payouts_wrongly,
    ],
    "books_hold": [make_money, go_below_the_floor, leave_money_in_an_escrow],
    "sums_are_those_of_the_tickets": [count_too_few_tickets],
    "phases_never_go_back": [go_back_a_phase, void_after_the_draw],
    "transitions_have_no_gap": [lose_a_transition, count_a_transition_that_is_not_there],
    "epochs_never_fall": [let_an_old_holder_write],
}  # fmt: skip


@pytest.mark.parametrize(
    ("invariant", "plant"),
    [(invariant, plant) for invariant, plants in FAULTS.items() for plant in plants],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_a_planted_fault_is_found(invariant: str, plant: Callable[[World], None]) -> None:
    world = World()
    plant(world)
    found = check(world.entries, world.stored)
    assert invariant in {each.invariant for each in found}
    assert all(len(each.sentence.split()) > 4 for each in found)  # it tells what is wrong, and where


def test_every_invariant_has_a_fault_that_it_finds() -> None:
    assert FAULTS.keys() == INVARIANTS.keys()
