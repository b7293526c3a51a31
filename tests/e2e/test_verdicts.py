"""Every verdict on a ticket, through the gateway: one test for each, over REST and over gRPC.

A refused order is answered in words, buys nothing and moves nothing; sent again it gets the same answer.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

import pytest
from furlong.client import uuid7
from furlong.common.v1.round_pb2 import Limits
from furlong.common.v1.ticket_pb2 import TicketResult

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.doors import Answer, Door
from tests.e2e.people import People
from tests.e2e.racing import (
    FUNDS_MINOR,
    SLOW,
    balance_minor,
    fresh_id,
    new_track,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)

STAKE_MINOR = 500
STAKE_MAX_MINOR = 10_000
LIABILITY_MINOR = 20_000
NO_SUCH_ROUND = "4611686018427387904"
NO_SUCH_ACCOUNT = "018f0000-0000-7000-8000-000000000001"
NO_SUCH_RUNNER = 9
DAY_MS = 86_400_000

Test = Callable[..., Awaitable[None]]
_tested: dict[str, Test] = {}


def of(verdict: str) -> Callable[[Test], Test]:
    """Say which verdict a test is about."""

    def note(test: Test) -> Test:
        _tested[verdict] = test
        return test

    return note


async def refused(
    door: Door, people: People, books: Books, round_id: str, wrong: Answer, verdict: str, words: str
) -> None:
    """Place an order that gets this verdict, with these words in its reason, twice, and see that nothing changes."""
    before = await books.money_and_tickets()
    [first] = await place(door, people.cashier, round_id, wrong)
    [again] = await place(door, people.cashier, round_id, wrong)

    assert (first["request_id"], first["verdict"]) == (wrong["request_id"], verdict)
    assert words in first["reason"]
    assert first["reason"]
    assert (again["verdict"], again["reason"]) == (first["verdict"], first["reason"])
    assert "ticket" not in first
    assert "ticket" not in again
    assert await books.money_and_tickets() == before


def price_of(a_round: Answer, runner: int) -> int:
    [found] = [int(each["win_price_hundredths"]) for each in a_round["runners"] if each["runner"] == runner]
    return found


def id_of(days: int) -> str:
    """A request id of so many days from now."""
    return uuid7(now_ms=time.time_ns() // 1_000_000 + days * DAY_MS)


def by_hand(**fields: object) -> Answer:
    return {"request_id": fresh_id(), "reason": "a test", **fields}


def test_every_verdict_of_the_contract_has_its_test_here() -> None:
    assert list(_tested) == [name for name, number in TicketResult.Verdict.items() if number]


@of("ACCEPTED")
async def test_a_right_order_is_accepted_and_paid_for(door: Door, people: People, steady_track: str) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    right = order(ann, win_line(1, STAKE_MINOR))

    [first] = await place(door, people.cashier, a_round["round_id"], right)
    [again] = await place(door, people.cashier, a_round["round_id"], right)

    assert (first["verdict"], first["reason"], first["replayed"]) == ("ACCEPTED", "", False)
    assert first["ticket"]["ticket_id"] == right["request_id"]
    assert (first["ticket"]["state"], first["ticket"]["stake_minor"]) == ("ACCEPTED", str(STAKE_MINOR))
    assert again == {**first, "replayed": True}
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR - STAKE_MINOR


@of("REQUEST_ID_EXPIRED")
@pytest.mark.parametrize(("days", "words"), [(-8, "older"), (2, "future")], ids=["too old", "ahead of time"])
async def test_an_id_that_is_too_old_or_ahead_of_time_is_expired(
    door: Door, people: People, books: Books, steady_track: str, days: int, words: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    wrong = order(ann, win_line(1, STAKE_MINOR), request_id=id_of(days))

    await refused(door, people, books, a_round["round_id"], wrong, "REQUEST_ID_EXPIRED", words)


@of("REQUEST_ID_REUSED")
async def test_an_id_that_another_order_had_is_reused(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    right = order(ann, win_line(1, STAKE_MINOR))
    [accepted] = await place(door, people.cashier, a_round["round_id"], right)
    other = {**right, "lines": [win_line(2, STAKE_MINOR)]}

    await refused(door, people, books, a_round["round_id"], other, "REQUEST_ID_REUSED", "used before")

    [again] = await place(door, people.cashier, a_round["round_id"], right)
    assert again == {**accepted, "replayed": True}


@of("ROUND_NOT_FOUND")
async def test_a_round_that_there_is_not_is_not_found(door: Door, people: People, books: Books) -> None:
    ann = await open_account(door, people.cashier)
    wrong = order(ann, win_line(1, STAKE_MINOR))

    await refused(door, people, books, NO_SUCH_ROUND, wrong, "ROUND_NOT_FOUND", "")


@of("BETTING_CLOSED")
async def test_betting_on_a_round_that_was_voided_is_closed(
    door: Door, people: People, books: Books, stack: LocalStack
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, await new_track(stack, "closed", SLOW))
    await door.call(methods.VOID_ROUND, by_hand(round_id=a_round["round_id"]), token=people.operator)
    wrong = order(ann, win_line(1, STAKE_MINOR))

    await refused(door, people, books, a_round["round_id"], wrong, "BETTING_CLOSED", "no longer")


@of("BETTING_CLOSED")
async def test_betting_on_a_round_that_was_locked_is_closed(door: Door, people: People, quick_track: str) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, quick_track, left_s=0)
    await round_that_is(door, a_round["round_id"], "LOCKED", "RUNNING", "FINISHED", "SETTLED")

    [late] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))

    assert (late["verdict"], late["replayed"]) == ("BETTING_CLOSED", False)
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR


@of("SUSPENDED")
async def test_betting_on_a_track_that_is_suspended_is_suspended(
    door: Door, people: People, books: Books, stack: LocalStack
) -> None:
    track = await new_track(stack, "suspended", SLOW)
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, track)
    await door.call(methods.SUSPEND_TRACK, by_hand(track=track), token=people.operator)
    wrong = order(ann, win_line(1, STAKE_MINOR))

    await refused(door, people, books, a_round["round_id"], wrong, "SUSPENDED", "suspended")

    await door.call(methods.RESUME_TRACK, by_hand(track=track), token=people.operator)
    [right] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))
    assert right["verdict"] == "ACCEPTED"


@of("INVALID_SELECTION")
@pytest.mark.parametrize(
    ("runners", "words"),
    [([NO_SUCH_RUNNER], "9"), ([1, 2], "2"), ([], "0"), ([-1], "-1")],
    ids=["no such runner", "two to win", "nobody", "a negative one"],
)
async def test_a_selection_that_is_not_offered_is_invalid(
    door: Door, people: People, books: Books, steady_track: str, runners: list[int], words: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    wrong = order(ann, {**win_line(1, STAKE_MINOR), "runners": runners})

    await refused(door, people, books, a_round["round_id"], wrong, "INVALID_SELECTION", words)


@of("PRICE_CHANGED")
@pytest.mark.parametrize("off", [-1, 1], ids=["lower", "higher"])
async def test_a_price_that_is_not_offered_has_changed(
    door: Door, people: People, books: Books, steady_track: str, off: int
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    price = price_of(a_round, 1)
    wrong = order(ann, win_line(1, STAKE_MINOR, price + off))

    await refused(door, people, books, a_round["round_id"], wrong, "PRICE_CHANGED", str(price))


@of("STAKE_BELOW_MIN")
async def test_a_stake_that_is_too_small_is_below_the_minimum(
    door: Door, people: People, books: Books, stack: LocalStack
) -> None:
    limits = Limits(stake_min_minor=100, stake_max_minor=STAKE_MAX_MINOR)
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, await new_track(stack, "dear", SLOW, limits=limits))
    [least] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, 100)))
    assert least["verdict"] == "ACCEPTED"

    wrong = order(ann, win_line(1, 99))
    await refused(door, people, books, a_round["round_id"], wrong, "STAKE_BELOW_MIN", "100")


@of("STAKE_ABOVE_MAX")
async def test_a_stake_that_is_too_large_is_above_the_maximum(
    door: Door, people: People, books: Books, stack: LocalStack
) -> None:
    limits = Limits(stake_min_minor=100, stake_max_minor=STAKE_MAX_MINOR)
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, await new_track(stack, "cheap", SLOW, limits=limits))
    [most] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, STAKE_MAX_MINOR)))
    assert most["verdict"] == "ACCEPTED"

    wrong = order(ann, win_line(1, STAKE_MAX_MINOR + 1))
    await refused(door, people, books, a_round["round_id"], wrong, "STAKE_ABOVE_MAX", str(STAKE_MAX_MINOR))


@of("LIABILITY_EXCEEDED")
@pytest.mark.parametrize("limit", ["selection_payout_max_minor", "round_loss_max_minor"])
async def test_a_ticket_that_the_house_could_not_bear_exceeds_the_liability(
    door: Door, people: People, books: Books, stack: LocalStack, limit: str
) -> None:
    risk: Mapping[str, int] = {limit: LIABILITY_MINOR}
    limits = Limits(stake_min_minor=1, stake_max_minor=STAKE_MAX_MINOR, **risk)
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, await new_track(stack, "risk", SLOW, limits=limits))
    [small] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(5, 1)))
    assert small["verdict"] == "ACCEPTED"

    assert price_of(a_round, 5) * STAKE_MAX_MINOR // 100 > 2 * LIABILITY_MINOR
    wrong = order(ann, win_line(5, STAKE_MAX_MINOR))
    await refused(door, people, books, a_round["round_id"], wrong, "LIABILITY_EXCEEDED", "")


@of("ACCOUNT_NOT_FOUND")
async def test_an_account_that_there_is_not_is_not_found(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    a_round = await open_round(door, steady_track)
    wrong = order(NO_SUCH_ACCOUNT, win_line(1, STAKE_MINOR))

    await refused(door, people, books, a_round["round_id"], wrong, "ACCOUNT_NOT_FOUND", NO_SUCH_ACCOUNT)


@of("ACCOUNT_NOT_FOUND")
async def test_an_account_of_another_currency_is_not_found_and_told_so(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    dollars = await open_account(door, people.cashier, currency="USD")
    a_round = await open_round(door, steady_track)
    wrong = order(dollars, win_line(1, STAKE_MINOR))

    await refused(door, people, books, a_round["round_id"], wrong, "ACCOUNT_NOT_FOUND", "USD")


@of("ACCOUNT_BLOCKED")
async def test_an_account_that_is_blocked_buys_nothing(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    a_round = await open_round(door, steady_track)
    await door.call(methods.BLOCK, by_hand(account_id=ann), token=people.operator)
    wrong = order(ann, win_line(1, STAKE_MINOR))

    await refused(door, people, books, a_round["round_id"], wrong, "ACCOUNT_BLOCKED", "blocked")

    await door.call(methods.UNBLOCK, by_hand(account_id=ann), token=people.operator)
    [right] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))
    assert right["verdict"] == "ACCEPTED"


@of("INSUFFICIENT_FUNDS")
async def test_an_account_without_the_money_has_insufficient_funds(
    door: Door, people: People, books: Books, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier, funds_minor=STAKE_MINOR)
    a_round = await open_round(door, steady_track)
    wrong = order(ann, win_line(1, STAKE_MINOR), win_line(2, 1))

    await refused(door, people, books, a_round["round_id"], wrong, "INSUFFICIENT_FUNDS", "balance")

    [right] = await place(door, people.cashier, a_round["round_id"], order(ann, win_line(1, STAKE_MINOR)))
    assert right["verdict"] == "ACCEPTED"
    assert await balance_minor(door, people.cashier, ann) == 0


async def test_of_all_that_is_wrong_with_an_order_the_first_verdict_is_told(
    door: Door, people: People, stack: LocalStack
) -> None:
    """An order that is wrong in every way is put right one way after the other."""
    limits = Limits(stake_min_minor=100, stake_max_minor=STAKE_MAX_MINOR, selection_payout_max_minor=LIABILITY_MINOR)
    track = await new_track(stack, "ladder", SLOW, limits=limits)
    poor = await open_account(door, people.cashier, funds_minor=0)
    a_round = await open_round(door, track)
    round_id = a_round["round_id"]
    await door.call(methods.BLOCK, by_hand(account_id=poor), token=people.operator)
    await door.call(methods.SUSPEND_TRACK, by_hand(track=track), token=people.operator)
    dear = price_of(a_round, 1) + 1
    faults = [
        win_line(NO_SUCH_RUNNER, STAKE_MINOR),
        win_line(1, STAKE_MINOR, dear),
        win_line(1, 99),
        win_line(1, STAKE_MAX_MINOR + 1),
        win_line(5, STAKE_MAX_MINOR),
    ]

    async def verdict(account_id: str, *lines: Answer, on: str = round_id, request_id: str | None = None) -> str:
        [result] = await place(door, people.cashier, on, order(account_id, *lines, request_id=request_id))
        return str(result["verdict"])

    nobody = NO_SUCH_ACCOUNT
    told = [
        await verdict(nobody, *faults, on=NO_SUCH_ROUND, request_id=id_of(-8)),
        await verdict(nobody, *faults, on=NO_SUCH_ROUND),
        await verdict(nobody, *faults),
    ]
    await door.call(methods.RESUME_TRACK, by_hand(track=track), token=people.operator)
    told += [await verdict(nobody, *faults[fixed:]) for fixed in range(len(faults))]
    told += [await verdict(account, win_line(1, STAKE_MINOR)) for account in (nobody, poor)]
    await door.call(methods.UNBLOCK, by_hand(account_id=poor), token=people.operator)
    told.append(await verdict(poor, win_line(1, STAKE_MINOR)))
    credit = {"request_id": fresh_id(), "account_id": poor, "amount_minor": str(STAKE_MINOR), "reason": "cash"}
    await door.call(methods.CREDIT, credit, token=people.cashier)
    told.append(await verdict(poor, win_line(1, STAKE_MINOR)))

    assert told == [
        *("REQUEST_ID_EXPIRED", "ROUND_NOT_FOUND", "SUSPENDED", "INVALID_SELECTION", "PRICE_CHANGED"),
        *("STAKE_BELOW_MIN", "STAKE_ABOVE_MAX", "LIABILITY_EXCEEDED", "ACCOUNT_NOT_FOUND", "ACCOUNT_BLOCKED"),
        *("INSUFFICIENT_FUNDS", "ACCEPTED"),
    ]
