"""What tills and operators do by hand: sell and pay, take back, state, stop and correct, on the real thing."""

import asyncio
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from furlong.common.v1.round_pb2 import Timetable

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.command import COMMAND, COMMAND_S, furlong
from tests.e2e.doors import Answer, Door, RestDoor, Wrong
from tests.e2e.methods import Method
from tests.e2e.people import People
from tests.e2e.racing import (
    CARD,
    FAST,
    FUNDS_MINOR,
    SETTLE_S,
    SLOW,
    balance_minor,
    current_round,
    fresh_id,
    fresh_name,
    new_track,
    open_account,
    open_round,
    open_till,
    order,
    place,
    round_that_is,
    win_line,
)
from tests.e2e.waiting import until
from tests.model import ledger

STAKE_MINOR = 500
RUNNERS = [runner.runner for runner in CARD.runners]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
RESUMED_S = 6.0
"""A track that was resumed opens its next round within five seconds, whichever game was told."""
LATE_TICKETS = 5
"""How often each player tries once betting is suspended."""
STANDSTILL_S = 3.0
"""How long a stopped track is watched: long enough for the next round of a FAST one to have opened."""


def by_hand(**fields: object) -> Answer:
    return {"request_id": fresh_id(), "reason": "a test", **fields}


async def refused(door: Door, method: Method, fields: Answer, token: str) -> str:
    with pytest.raises(Wrong) as caught:
        await door.call(method, fields, token=token)
    return caught.value.reason


async def ticket(door: Door, token: str, ticket_id: str) -> Answer:
    found: Answer = (await door.call(methods.GET_TICKET, {"ticket_id": ticket_id}, token=token))["ticket"]
    return found


async def sell(door: Door, token: str, round_id: str, account_id: str, runners: Sequence[int] = RUNNERS) -> str:
    """Sell a ticket with a line on each of these runners, and give its id."""
    [result] = await place(
        door, token, round_id, order(account_id, *[win_line(runner, STAKE_MINOR) for runner in runners])
    )
    assert result["verdict"] == "ACCEPTED", result
    ticket_id: str = result["ticket"]["ticket_id"]
    return ticket_id


def prize_minor(a_round: Answer, runner: int) -> int:
    """What a line on a runner pays."""
    [price] = [int(each["win_price_hundredths"]) for each in a_round["runners"] if each["runner"] == runner]
    return STAKE_MINOR * price // 100


async def trial_balance(door: Door, people: People, round_id: str = "0") -> Answer:
    answer = await door.call(methods.TRIAL_BALANCE, {"round_id": round_id}, token=people.operator)
    found: Answer = answer["trial_balance"]
    return found


def sums(found: Answer) -> dict[str, int]:
    """What remains with each kind of account."""
    assert {row["currency"] for row in found["rows"]} == {"EUR"}
    return {row["kind"]: int(row["balance_minor"]) for row in found["rows"]}


# ---- tills -----------------------------------------------------------------------------------------------------------


async def test_a_ticket_of_a_till_that_wins_is_paid_once_by_one_of_two_tills_at_once(
    rest_door: RestDoor, people: People, books: Books, quick_track: str
) -> None:
    seller, other = [await open_till(rest_door, people.cashier) for _ in range(2)]
    a_round = await open_round(rest_door, quick_track)
    ticket_id = await sell(rest_door, people.till(seller), a_round["round_id"], seller)
    paying = {"request_id": fresh_id(), "ticket_id": ticket_id, "account_id": seller}
    too_early = await refused(rest_door, methods.PAY_TICKET, paying, people.till(seller))
    settled = await round_that_is(rest_door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)
    won_minor = prize_minor(a_round, settled["result"][0])
    won = await ticket(rest_door, people.till(seller), ticket_id)
    before = [await balance_minor(rest_door, people.cashier, till) for till in (seller, other)]

    async def pay(till: str) -> Answer | str:
        fields = {"request_id": fresh_id(), "ticket_id": ticket_id, "account_id": till}
        try:
            return await rest_door.call(methods.PAY_TICKET, fields, token=people.till(till))
        except Wrong as wrong:
            return wrong.reason

    answers = await asyncio.gather(*[pay(till) for till in (seller, other) * 5])

    assert too_early == "TICKET_STATE"
    assert (won["state"], int(won["payout_minor"])) == ("WON", won_minor)
    assert before == [-len(RUNNERS) * STAKE_MINOR, 0]
    [paid] = [answer for answer in answers if not isinstance(answer, str)]
    assert [answer for answer in answers if isinstance(answer, str)] == ["TICKET_STATE"] * 9
    assert (paid["ticket"]["state"], int(paid["paid_minor"])) == ("PAID", won_minor)
    after = [await balance_minor(rest_door, people.cashier, till) for till in (seller, other)]
    assert sorted(now - then for now, then in zip(after, before, strict=True)) == [0, won_minor]
    assert await ticket(rest_door, people.till(seller), ticket_id) == paid["ticket"]
    assert ledger.faults(*await books.ledger()) == []


async def test_a_payout_that_is_asked_for_again_under_its_id_gets_its_answer_again(
    rest_door: RestDoor, people: People, steady_track: str, stack: LocalStack
) -> None:
    till = await open_till(rest_door, people.cashier)
    a_round = await open_round(rest_door, await new_track(stack, "void", SLOW))
    ticket_id = await sell(rest_door, people.till(till), a_round["round_id"], till)
    await rest_door.call(methods.VOID_ROUND, by_hand(round_id=a_round["round_id"]), token=people.operator)
    paying = {"request_id": fresh_id(), "ticket_id": ticket_id, "account_id": till}

    async def is_voided() -> bool:
        return bool((await ticket(rest_door, people.till(till), ticket_id))["state"] == "VOIDED")

    await until(is_voided, within_s=SETTLE_S, what="the ticket can be claimed")
    paid = await rest_door.call(methods.PAY_TICKET, paying, token=people.till(till))
    again = await rest_door.call(methods.PAY_TICKET, paying, token=people.till(till))

    assert paid == again
    assert int(paid["paid_minor"]) == len(RUNNERS) * STAKE_MINOR
    assert await balance_minor(rest_door, people.cashier, till) == 0


async def test_a_till_pays_with_its_own_account_only_and_never_a_players_ticket(
    rest_door: RestDoor, people: People, quick_track: str
) -> None:
    till, other = [await open_till(rest_door, people.cashier) for _ in range(2)]
    ann = await open_account(rest_door, people.cashier)
    a_round = await open_round(rest_door, quick_track)
    ticket_id = await sell(rest_door, people.player(ann), a_round["round_id"], ann)
    await round_that_is(rest_door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)
    paying = {"request_id": fresh_id(), "ticket_id": ticket_id, "account_id": till}

    assert await refused(rest_door, methods.PAY_TICKET, paying, people.till(other)) == "ACCOUNT_NOT_YOURS"
    assert await refused(rest_door, methods.PAY_TICKET, paying, people.till(till)) == "TICKET_STATE"
    at_no_till = {**paying, "request_id": fresh_id(), "account_id": ann}
    assert await refused(rest_door, methods.PAY_TICKET, at_no_till, people.cashier) == "ACCOUNT_KIND"


# ---- tickets that are taken back -------------------------------------------------------------------------------------


async def test_a_cancelled_ticket_gives_its_stake_back_and_leaves_the_totals_of_its_round(
    door: Door, rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    track = await new_track(stack, "cancel", SLOW)
    ann = await open_account(door, people.cashier)
    a_round = await open_round(rest_door, track)
    kept, taken = [await sell(door, people.player(ann), a_round["round_id"], ann, [3]) for _ in range(2)]
    cancelling = by_hand(ticket_id=taken)

    cancelled = await door.call(methods.CANCEL_TICKET, cancelling, token=people.player(ann))
    again = await door.call(methods.CANCEL_TICKET, cancelling, token=people.player(ann))
    twice = await refused(door, methods.CANCEL_TICKET, by_hand(ticket_id=taken), people.player(ann))

    assert (cancelled["ticket"]["state"], cancelled["ticket"]["payout_minor"]) == ("CANCELLED", str(STAKE_MINOR))
    assert again == cancelled
    assert twice == "TICKET_STATE"
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR - STAKE_MINOR
    current = await current_round(door, track)
    assert current is not None
    assert current["totals"] == {"tickets": "1", "stake_minor": str(STAKE_MINOR)}
    assert (await ticket(door, people.player(ann), taken))["state"] == "CANCELLED"
    assert (await ticket(door, people.player(ann), kept))["state"] == "ACCEPTED"
    assert ledger.faults(*await books.ledger()) == []


async def test_a_till_takes_back_what_it_sold_and_an_operator_what_anybody_did(
    rest_door: RestDoor, people: People, steady_track: str
) -> None:
    till, other = [await open_till(rest_door, people.cashier) for _ in range(2)]
    a_round = await open_round(rest_door, steady_track)
    first, second = [await sell(rest_door, people.till(till), a_round["round_id"], till, [2]) for _ in range(2)]

    another = await refused(rest_door, methods.CANCEL_TICKET, by_hand(ticket_id=first), people.till(other))
    by_till = await rest_door.call(methods.CANCEL_TICKET, by_hand(ticket_id=first), token=people.till(till))
    by_operator = await rest_door.call(methods.CANCEL_TICKET, by_hand(ticket_id=second), token=people.operator)

    assert another == "TICKET_UNKNOWN"
    assert {answer["ticket"]["state"] for answer in (by_till, by_operator)} == {"CANCELLED"}
    assert await balance_minor(rest_door, people.cashier, till) == 0


async def test_a_ticket_is_not_taken_back_once_its_round_has_locked_and_a_cancelled_one_wins_nothing(
    rest_door: RestDoor, people: People, books: Books, quick_track: str
) -> None:
    ann = await open_account(rest_door, people.cashier)
    a_round = await open_round(rest_door, quick_track)
    kept, taken = [await sell(rest_door, people.player(ann), a_round["round_id"], ann) for _ in range(2)]
    await rest_door.call(methods.CANCEL_TICKET, by_hand(ticket_id=taken), token=people.player(ann))
    await round_that_is(rest_door, a_round["round_id"], "LOCKED", "RUNNING", "FINISHED", "SETTLED")
    late = await refused(rest_door, methods.CANCEL_TICKET, by_hand(ticket_id=kept), people.player(ann))
    settled = await round_that_is(rest_door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)

    won_minor = prize_minor(a_round, settled["result"][0])
    assert late in {"ROUND_PHASE", "TICKET_STATE"}, "settled by the time that it was asked, perhaps"
    assert settled["totals"]["tickets"] == "1"
    assert (await ticket(rest_door, people.player(ann), taken))["state"] == "CANCELLED"
    assert await balance_minor(rest_door, people.cashier, ann) == FUNDS_MINOR - len(RUNNERS) * STAKE_MINOR + won_minor
    assert ledger.faults(*await books.ledger()) == []


# ---- statements and books --------------------------------------------------------------------------------------------


async def test_the_pages_of_a_statement_fit_together_and_end_at_the_balance(
    door: Door, people: People, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    taken = await sell(door, people.player(ann), a_round["round_id"], ann, [1])
    await door.call(methods.CANCEL_TICKET, by_hand(ticket_id=taken), token=people.player(ann))
    await door.call(methods.PAY_OUT, by_hand(account_id=ann, amount_minor="250"), token=people.cashier)
    await door.call(methods.ADJUST, by_hand(account_id=ann, amount_minor="-50"), token=people.operator)
    kept = await sell(door, people.player(ann), a_round["round_id"], ann, [4])

    pages: list[Answer] = []
    token = ""
    while not pages or token:
        fields = {"account_id": ann, "page_size": 4, "page_token": token}
        pages.append(await door.call(methods.LIST_TRANSFERS, fields, token=people.player(ann)))
        token = pages[-1]["next_page_token"]
    transfers = [transfer for page in pages for transfer in page["transfers"]]
    whole = await door.call(methods.LIST_TRANSFERS, {"account_id": ann}, token=people.player(ann))

    assert [len(page["transfers"]) for page in pages] == [4, 2]
    assert transfers == whole["transfers"]
    assert [(each["kind"], int(each["amount_minor"])) for each in transfers] == [
        ("STAKE", -STAKE_MINOR),
        ("ADJUSTMENT", -50),
        ("PAYOUT", -250),
        ("REFUND", STAKE_MINOR),
        ("STAKE", -STAKE_MINOR),
        ("CREDIT", FUNDS_MINOR),
    ]
    balances = [int(each["balance_minor"]) for each in transfers]
    amounts = [int(each["amount_minor"]) for each in transfers]
    assert balances[0] == await balance_minor(door, people.player(ann), ann)
    assert balances == [sum(amounts[place:]) for place in range(len(amounts))]
    assert (transfers[0]["reference"], transfers[0]["round_id"]) == (kept, a_round["round_id"])
    assert transfers[1]["reason"] == "a test"
    assert transfers[1]["actor"]


async def test_money_goes_out_as_far_as_the_account_has_it(door: Door, people: People) -> None:
    ann = await open_account(door, people.cashier, funds_minor=1_000)
    paying = by_hand(account_id=ann, amount_minor="700")

    paid = await door.call(methods.PAY_OUT, paying, token=people.cashier)
    again = await door.call(methods.PAY_OUT, paying, token=people.cashier)
    reused = await refused(door, methods.PAY_OUT, {**paying, "amount_minor": "1"}, people.cashier)
    missing = await refused(door, methods.PAY_OUT, by_hand(account_id=ann, amount_minor="301"), people.cashier)

    assert paid["account"]["balance_minor"] == "300"
    assert again == paid
    assert (reused, missing) == ("REQUEST_REUSED", "FUNDS_MISSING")
    assert await balance_minor(door, people.cashier, ann) == 300


async def test_the_trial_balance_is_zero_of_a_round_and_of_everything(
    door: Door, people: People, quick_track: str
) -> None:
    ann, till = await open_account(door, people.cashier), await open_till(door, people.cashier)
    a_round = await open_round(door, quick_track)
    staked_minor = len(RUNNERS) * STAKE_MINOR
    await sell(door, people.player(ann), a_round["round_id"], ann)
    await sell(door, people.till(till), a_round["round_id"], till)
    open_ = await trial_balance(door, people, a_round["round_id"])
    settled = await round_that_is(door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)
    done = await trial_balance(door, people, a_round["round_id"])
    everything = await trial_balance(door, people)

    won_minor = prize_minor(a_round, settled["result"][0])
    assert sums(open_) == {"PLAYER": -staked_minor, "CASHIER": -staked_minor, "ESCROW": 2 * staked_minor}
    assert sums(done) == {
        "PLAYER": won_minor - staked_minor,
        "CASHIER": -staked_minor,
        "PRIZES": won_minor,
        "HOUSE": 2 * (staked_minor - won_minor),
        "ESCROW": 0,
    }
    assert {found["sum_minor"] for found in (open_, done, everything)} == {"0"}


# ---- blocks ----------------------------------------------------------------------------------------------------------


async def test_a_blocked_account_takes_no_ticket_and_gives_out_no_money_until_it_is_unblocked(
    door: Door, people: People, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    blocked = await door.call(methods.BLOCK, by_hand(account_id=ann), token=people.operator)
    [stopped] = await place(door, people.player(ann), a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))
    payout = await refused(door, methods.PAY_OUT, by_hand(account_id=ann, amount_minor="1"), people.cashier)
    unblocked = await door.call(methods.UNBLOCK, by_hand(account_id=ann), token=people.operator)
    await sell(door, people.player(ann), a_round["round_id"], ann, [1])

    assert (blocked["account"]["blocked"], unblocked["account"]["blocked"]) == (True, False)
    assert stopped["verdict"] == "ACCOUNT_BLOCKED"
    assert payout == "ACCOUNT_STOPPED"


# ---- tracks that are stopped -----------------------------------------------------------------------------------------


async def opens_none(door: Door, track: str, last: str) -> bool:
    """Tell whether the track's last round stays the last one for as long as a stopped track is watched."""
    await asyncio.sleep(STANDSTILL_S)
    current = await current_round(door, track)
    assert current is not None
    return bool(current["round_id"] == last)


async def goes_on(door: Door, track: str, last: str) -> Answer:
    """The next round of a track that was resumed."""

    async def ask() -> Answer | None:
        current = await current_round(door, track)
        return current if current is not None and current["round_id"] != last else None

    return await until(ask, within_s=RESUMED_S, what=f"{track} goes on")


async def test_a_suspended_track_takes_no_ticket_ends_its_round_and_goes_on_when_resumed(
    rest_door: RestDoor, people: People, stack: LocalStack
) -> None:
    track = await new_track(stack, "suspend", FAST)
    ann = await open_account(rest_door, people.cashier)
    a_round = await open_round(rest_door, track)
    before = await sell(rest_door, people.player(ann), a_round["round_id"], ann)
    suspended = await rest_door.call(methods.SUSPEND_TRACK, by_hand(track=track), token=people.operator)
    [during] = await place(rest_door, people.player(ann), a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))
    shown = await rest_door.call(methods.GET_TRACK, {"track": track})
    await round_that_is(rest_door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)

    assert (suspended["track"]["state"], shown["track"]["state"]) == ("SUSPENDED", "SUSPENDED")
    assert during["verdict"] == "SUSPENDED"
    assert (await ticket(rest_door, people.player(ann), before))["state"] == "WON"
    assert await opens_none(rest_door, track, a_round["round_id"])
    resumed = await rest_door.call(methods.RESUME_TRACK, by_hand(track=track), token=people.operator)
    following = await goes_on(rest_door, track, a_round["round_id"])
    assert resumed["track"]["state"] == "RUNNING"
    await sell(rest_door, people.player(ann), following["round_id"], ann)


async def test_no_ticket_that_is_sent_after_a_suspension_has_answered_is_accepted(
    rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    track = await new_track(stack, "rush", SLOW)
    players = [await open_account(rest_door, people.cashier) for _ in range(4)]
    a_round = await open_round(rest_door, track)
    answered, sent_before, sent_after = asyncio.Event(), list[str](), list[str]()

    async def bet(ann: str) -> None:
        late = 0
        while late < LATE_TICKETS:
            verdicts = sent_after if answered.is_set() else sent_before
            late += answered.is_set()
            asked = order(ann, win_line(1, 1))
            [result] = await place(rest_door, people.player(ann), a_round["round_id"], asked)
            verdicts.append(result["verdict"])

    async with asyncio.TaskGroup() as group:
        for ann in players:
            group.create_task(bet(ann))
        await until(lambda: sold(sent_before, 8), within_s=SETTLE_S, what="the rush is on")
        await rest_door.call(methods.SUSPEND_TRACK, by_hand(track=track), token=people.operator)
        answered.set()

    assert set(sent_before) <= {"ACCEPTED", "SUSPENDED"}
    assert sent_after == ["SUSPENDED"] * LATE_TICKETS * len(players)
    current = await current_round(rest_door, track)
    assert current is not None
    assert current["totals"]["tickets"] == str(sent_before.count("ACCEPTED"))
    assert ledger.faults(*await books.ledger()) == []


async def sold(verdicts: Sequence[str], least: int) -> bool:
    return verdicts.count("ACCEPTED") >= least


async def test_a_paused_track_sells_on_ends_its_round_and_goes_on_when_resumed(
    rest_door: RestDoor, people: People, stack: LocalStack
) -> None:
    track = await new_track(stack, "pause", FAST)
    ann = await open_account(rest_door, people.cashier)
    a_round = await open_round(rest_door, track)
    pausing = by_hand(track=track)
    paused = await rest_door.call(methods.PAUSE_TRACK, pausing, token=people.operator)
    await sell(rest_door, people.player(ann), a_round["round_id"], ann)
    await round_that_is(rest_door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)

    assert paused["track"]["state"] == "PAUSED"
    assert await opens_none(rest_door, track, a_round["round_id"])
    assert await rest_door.call(methods.PAUSE_TRACK, pausing, token=people.operator) == paused
    await rest_door.call(methods.RESUME_TRACK, by_hand(track=track), token=people.operator)
    await goes_on(rest_door, track, a_round["round_id"])


async def test_a_limit_on_risk_refuses_tickets_until_one_is_taken_back(
    door: Door, rest_door: RestDoor, people: People
) -> None:
    track = {
        "track": fresh_name("risk"),
        "display_name": "Risk",
        "currency": "EUR",
        "timetable": {"betting_window_ms": "600000", "lock_ms": "100", "race_ms": "100", "finish_ms": "100"},
        "limits": {"stake_min_minor": "1", "stake_max_minor": "10000", "selection_payout_max_minor": "2000"},
    }
    await door.call(methods.CREATE_TRACK, {"request_id": fresh_id(), "track": track}, token=people.operator)
    card = {
        "name": "Even Chances",
        "runners": [{"runner": number, "name": f"Runner {number}", "weight": "1"} for number in (1, 2)],
    }
    importing = {"request_id": fresh_id(), "track": track["track"], "cards": [card]}
    await door.call(methods.IMPORT_CARDS, importing, token=people.operator)
    ann = await open_account(door, people.cashier)
    a_round = await open_round(rest_door, str(track["track"]))
    first = await sell(door, people.player(ann), a_round["round_id"], ann, [1])
    second = await sell(door, people.player(ann), a_round["round_id"], ann, [1])

    [third] = await place(door, people.player(ann), a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))
    await door.call(methods.CANCEL_TICKET, by_hand(ticket_id=first), token=people.player(ann))
    [fourth] = await place(door, people.player(ann), a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))

    assert a_round["limits"]["selection_payout_max_minor"] == "2000"
    assert (third["verdict"], fourth["verdict"]) == ("LIABILITY_EXCEEDED", "ACCEPTED")
    assert third["reason"]
    assert (await ticket(door, people.player(ann), second))["state"] == "ACCEPTED"


# ---- results that are corrected --------------------------------------------------------------------------------------


async def test_a_corrected_result_takes_the_wrong_prize_back_and_pays_the_right_one(
    rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    brief = Timetable(betting_window_ms=2_500, lock_ms=100, race_ms=400, finish_ms=60_000)
    track = await new_track(stack, "correct", brief)
    ann, bob = [await open_account(rest_door, people.cashier) for _ in range(2)]
    till = await open_till(rest_door, people.cashier)
    a_round = await open_round(rest_door, track)
    round_id = a_round["round_id"]
    tickets = {runner: await sell(rest_door, people.player(ann), round_id, ann, [runner]) for runner in RUNNERS}
    paper = await sell(rest_door, people.till(till), round_id, till)
    settled = await round_that_is(rest_door, round_id, "SETTLED", within_s=SETTLE_S)
    wrong, right = settled["result"][0], settled["result"][-1]
    correcting = by_hand(round_id=round_id, result=settled["result"][::-1])

    corrected = await rest_door.call(methods.CORRECT_RESULT, correcting, token=people.operator)
    again = await rest_door.call(methods.CORRECT_RESULT, correcting, token=people.operator)

    async def is_moved() -> bool:
        return bool((await ticket(rest_door, people.player(ann), tickets[right]))["state"] == "WON")

    await until(is_moved, within_s=SETTLE_S, what="the right ticket has won")
    assert (corrected["round"]["phase"], corrected["round"]["correction_reason"]) == ("SETTLED", "a test")
    assert corrected["round"]["result"] == again["round"]["result"] == settled["result"][::-1]
    states = {runner: (await ticket(rest_door, people.player(ann), tickets[runner]))["state"] for runner in RUNNERS}
    assert states == {runner: "WON" if runner == right else "LOST" for runner in RUNNERS}
    staked_minor = len(RUNNERS) * STAKE_MINOR
    right_minor = prize_minor(a_round, right)
    assert await balance_minor(rest_door, people.cashier, ann) == FUNDS_MINOR - staked_minor + right_minor
    paid = await rest_door.call(
        methods.PAY_TICKET,
        {"request_id": fresh_id(), "ticket_id": paper, "account_id": till},
        token=people.till(till),
    )
    assert int(paid["paid_minor"]) == right_minor
    kinds = await rest_door.call(methods.LIST_TRANSFERS, {"account_id": ann, "page_size": 2}, token=people.player(ann))
    assert {(each["kind"], int(each["amount_minor"])) for each in kinds["transfers"]} == {
        ("REVERSAL", -prize_minor(a_round, wrong)),
        ("PRIZE", right_minor),
    }
    assert (await trial_balance(rest_door, people, round_id))["sum_minor"] == "0"
    assert ledger.faults(*await books.ledger()) == []
    assert await balance_minor(rest_door, people.cashier, bob) == FUNDS_MINOR


# ---- by command ------------------------------------------------------------------------------------------------------


async def test_the_commands_of_tills_and_operators_do_what_they_say(
    stack: LocalStack, rest_door: RestDoor, people: People
) -> None:
    track = await new_track(stack, "command", SLOW)
    till = await open_till(rest_door, people.cashier)
    a_round = await open_round(rest_door, track)
    sold = [await sell(rest_door, people.till(till), a_round["round_id"], till, [1]) for _ in range(2)]

    cancelled = furlong(stack, "ticket", "cancel", sold[0], "--reason", "wrong runner")
    shown = furlong(stack, "ticket", sold[0])
    suspended = furlong(stack, "track", "suspend", track, "--reason", "loose horse")
    resumed = furlong(stack, "track", "resume", track, "--reason", "caught")
    voided = furlong(stack, "round", "void", a_round["round_id"], "--reason", "rain")

    async def is_voided() -> bool:
        return bool((await ticket(rest_door, people.till(till), sold[1]))["state"] == "VOIDED")

    await until(is_voided, within_s=SETTLE_S, what="the ticket can be claimed")
    paid = furlong(stack, "ticket", "pay", sold[1], "--account", till)
    twice = furlong(stack, "ticket", "pay", sold[1], "--account", till, exit_code=2)
    blocked = furlong(stack, "account", "block", till, "--reason", "counted wrong")
    unblocked = furlong(stack, "account", "unblock", till, "--reason", "counted right")
    adjusted = furlong(stack, "account", "adjust", till, "700", "--reason", "found in the drawer")
    emptied = furlong(stack, "account", "payout", till, "700")
    statement = furlong(stack, "account", "statement", till)
    books = furlong(stack, "books")
    of_round = furlong(stack, "books", "--round", a_round["round_id"])

    assert "CANCELLED" in cancelled.stdout
    assert shown.stdout == cancelled.stdout
    assert f"track {track}  SUSPENDED" in suspended.stdout
    assert f"track {track}  RUNNING" in resumed.stdout
    assert "VOID: rain" in voided.stdout
    assert paid.stdout.startswith("PAY OUT  5.00 EUR")
    assert "TICKET_STATE" in twice.stderr
    assert ", blocked" in blocked.stdout
    assert ", blocked" not in unblocked.stdout
    assert "balance 7.00 EUR" in adjusted.stdout
    assert "balance 0.00 EUR" in emptied.stdout
    for part in ("STAKE", "REFUND", "PAYOUT", "ADJUSTMENT", "wrong runner", "found in the drawer", "-7.00 EUR"):
        assert part in statement.stdout
    assert "the books balance" in books.stdout
    assert "the books balance" in of_round.stdout


async def test_what_the_page_on_operating_shows_is_what_happens(stack: LocalStack, rest_door: RestDoor) -> None:
    track = await new_track(stack, "shown", SLOW)
    await open_round(rest_door, track)
    by_hand = PAGE.read_text().partition("\n## By hand\n")[2].partition("\n## ")[0]
    [script] = re.findall(r"```sh\n(.*?)```", by_hand, flags=re.DOTALL)
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", "set -euo pipefail\n" + script.replace("harbour-mile", track)],
        env={
            **os.environ,
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
            "FURLONG_GATEWAY": stack.addresses.gateway,
            "FURLONG_TOKEN": stack.token_file.read_text().strip(),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        },
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for part in ("ACCEPTED", "CANCELLED", "REFUND", "the books balance"):
        assert part in done.stdout
