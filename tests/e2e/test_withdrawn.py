"""Withdrawn runners: what was bet on them is given back, in every market, and the rest of the race counts."""

from typing import Any

import pytest
from furlong.common.v1.round_pb2 import Limits, Program, RaceCard, Runner, Source, Timetable

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.doors import Answer, Door, RestDoor
from tests.e2e.people import People
from tests.e2e.racing import (
    FUNDS_MINOR,
    SETTLE_S,
    balance_minor,
    fresh_id,
    new_track,
    open_account,
    open_round,
    open_till,
    order,
    place,
    round_that_is,
)
from tests.e2e.waiting import until
from tests.model import ledger

ENTERED = Program(source=Source.ENTERED)
SEEN = Timetable(betting_window_ms=2_500, lock_ms=100, race_ms=200, finish_ms=60_000)
STAKE_MINOR = 500
EIGHT = RaceCard(
    name="The Withdrawn Stakes",
    runners=[Runner(runner=number, name=f"Runner {number}", weight=number) for number in range(1, 9)],
)
"""Eight runners, so that three places are paid, also when fewer run."""
ORDER = [3, 1, 5, 2, 4, 8]
WITHDRAWN = [6, 7]


def line(market: str, runner: int) -> Answer:
    return {"market": market, "runners": [runner], "stake_minor": str(STAKE_MINOR)}


def price_of(a_round: Answer, market: str, runner: int) -> int:
    field = {"WIN": "win_price_hundredths", "PLACE": "place_price_hundredths"}[market]
    [found] = [int(each[field]) for each in a_round["runners"] if each["runner"] == runner]
    return found


def prize_minor(a_round: Answer, market: str, runner: int, of: int = 1) -> int:
    return STAKE_MINOR * price_of(a_round, market, runner) // (100 * of)


async def open_to_bets(door: Door, stack: LocalStack, limits: Limits | None = None) -> Answer:
    track = await new_track(stack, "withdrawn", SEEN, cards=[EIGHT], program=ENTERED, limits=limits)
    return await open_round(door, track, left_s=1.5)


async def buy(door: Door, token: str, a_round: Answer, account_id: str, *lines: Answer) -> str:
    [result] = await place(door, token, a_round["round_id"], order(account_id, *lines))
    assert result["verdict"] == "ACCEPTED", result
    ticket_id: str = result["ticket"]["ticket_id"]
    return ticket_id


async def enter(door: Door, people: People, a_round: Answer, **fields: Any) -> Answer:
    """Enter the result as soon as it is time for it, and give the round once it is settled."""
    made = {"request_id": fresh_id(), "round_id": a_round["round_id"], "reason": "seen", "result": ORDER}
    entering = {**made, "withdrawn": WITHDRAWN, **fields}
    await round_that_is(door, a_round["round_id"], "LOCKED")

    async def is_entered() -> bool:
        try:
            await door.call(methods.ENTER_RESULT, entering, token=people.operator)
        except Exception as wrong:
            if "TOO_EARLY" not in str(wrong):
                raise
            return False
        return True

    await until(is_entered, within_s=SETTLE_S, what="the result is entered")
    return await round_that_is(door, a_round["round_id"], "SETTLED", within_s=SETTLE_S)


async def outcome(door: Door, people: People, ticket_id: str) -> tuple[str, int]:
    """State and payout of a ticket."""
    found = (await door.call(methods.GET_TICKET, {"ticket_id": ticket_id}, token=people.cashier))["ticket"]
    return found["state"], int(found["payout_minor"])


async def test_what_was_bet_on_a_withdrawn_runner_is_given_back_in_every_market(
    door: Door, rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    a_round = await open_to_bets(rest_door, stack)
    ann = await open_account(door, people.cashier)
    bets = {
        "win": [line("WIN", 6)],
        "place": [line("PLACE", 7)],
        "each way": [line("EACH_WAY", 6)],
        "with a winner": [line("WIN", 6), line("WIN", 3)],
        "with a loser": [line("PLACE", 6), line("WIN", 8)],
        "winner": [line("WIN", 3)],
        "third": [line("PLACE", 5)],
        "fourth": [line("PLACE", 2)],
    }
    tickets = {name: await buy(door, people.cashier, a_round, ann, *lines) for name, lines in bets.items()}

    settled = await enter(door, people, a_round)

    expected = {
        "win": ("VOIDED", STAKE_MINOR),
        "place": ("VOIDED", STAKE_MINOR),
        "each way": ("VOIDED", 2 * STAKE_MINOR),
        "with a winner": ("WON", STAKE_MINOR + prize_minor(a_round, "WIN", 3)),
        "with a loser": ("WON", STAKE_MINOR),
        "winner": ("WON", prize_minor(a_round, "WIN", 3)),
        "third": ("WON", prize_minor(a_round, "PLACE", 5)),
        "fourth": ("LOST", 0),
    }
    assert {name: await outcome(door, people, ticket_id) for name, ticket_id in tickets.items()} == expected
    assert (settled["withdrawn"], settled["terms"]["places"]) == (WITHDRAWN, 3)
    paid_minor = sum(minor for _, minor in expected.values())
    assert int(settled["payout_minor"]) == paid_minor
    staked_minor = int(settled["totals"]["stake_minor"])
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR - staked_minor + paid_minor
    assert ledger.faults(*await books.ledger()) == []


async def test_a_dead_heat_among_those_that_ran_is_shared(
    rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    a_round = await open_to_bets(rest_door, stack)
    ann = await open_account(rest_door, people.cashier)
    bets = [("WIN", 3), ("WIN", 1), ("PLACE", 3), ("PLACE", 5), ("PLACE", 2), ("PLACE", 6)]
    tickets = {bet: await buy(rest_door, people.cashier, a_round, ann, line(*bet)) for bet in bets}

    await enter(rest_door, people, a_round, positions=[1, 1, 3, 3, 5, 0])

    assert {bet: (await outcome(rest_door, people, ticket_id))[1] for bet, ticket_id in tickets.items()} == {
        ("WIN", 3): prize_minor(a_round, "WIN", 3, of=2),
        ("WIN", 1): prize_minor(a_round, "WIN", 1, of=2),
        ("PLACE", 3): prize_minor(a_round, "PLACE", 3),
        ("PLACE", 5): prize_minor(a_round, "PLACE", 5, of=2),
        ("PLACE", 2): prize_minor(a_round, "PLACE", 2, of=2),
        ("PLACE", 6): STAKE_MINOR,
    }
    assert ledger.faults(*await books.ledger()) == []


async def test_a_till_hands_the_stake_on_a_withdrawn_runner_back(
    rest_door: RestDoor, people: People, books: Books, stack: LocalStack
) -> None:
    a_round = await open_to_bets(rest_door, stack)
    till = await open_till(rest_door, people.cashier)
    paper = await buy(rest_door, people.till(till), a_round, till, line("WIN", 7))
    await enter(rest_door, people, a_round)

    paying = {"request_id": fresh_id(), "ticket_id": paper, "account_id": till}
    paid = await rest_door.call(methods.PAY_TICKET, paying, token=people.till(till))

    assert int(paid["paid_minor"]) == STAKE_MINOR
    assert await balance_minor(rest_door, people.cashier, till) == 0
    assert ledger.faults(*await books.ledger()) == []


async def test_a_stake_that_is_given_back_comes_on_top_of_the_greatest_payout(
    rest_door: RestDoor, people: People, stack: LocalStack
) -> None:
    most = 2 * STAKE_MINOR
    limits = Limits(stake_min_minor=1, stake_max_minor=10_000, payout_max_minor=most)
    a_round = await open_to_bets(rest_door, stack, limits)
    ann = await open_account(rest_door, people.cashier)
    ticket_id = await buy(rest_door, people.cashier, a_round, ann, line("WIN", 3), line("WIN", 6))
    assert prize_minor(a_round, "WIN", 3) > most

    await enter(rest_door, people, a_round)

    assert await outcome(rest_door, people, ticket_id) == ("WON", most + STAKE_MINOR)


@pytest.mark.parametrize("also", [(), (4,)], ids=["it alone", "and another"])
async def test_a_correction_may_find_that_a_runner_was_withdrawn(
    rest_door: RestDoor, people: People, books: Books, stack: LocalStack, also: tuple[int, ...]
) -> None:
    a_round = await open_to_bets(rest_door, stack)
    ann = await open_account(rest_door, people.cashier)
    bets = [("WIN", 3), ("WIN", 1), ("PLACE", 3), ("WIN", 6)]
    tickets = {bet: await buy(rest_door, people.cashier, a_round, ann, line(*bet)) for bet in bets}
    await enter(rest_door, people, a_round)
    gone = (3, *also)
    correcting = {
        "request_id": fresh_id(),
        "round_id": a_round["round_id"],
        "reason": "the winner had not started",
        "result": [runner for runner in ORDER if runner not in gone],
        "withdrawn": [*WITHDRAWN, *gone],
    }

    corrected = (await rest_door.call(methods.CORRECT_RESULT, correcting, token=people.operator))["round"]

    expected = {
        ("WIN", 3): ("VOIDED", STAKE_MINOR),
        ("WIN", 1): ("WON", prize_minor(a_round, "WIN", 1)),
        ("PLACE", 3): ("VOIDED", STAKE_MINOR),
        ("WIN", 6): ("VOIDED", STAKE_MINOR),
    }

    async def is_moved() -> bool:
        return {bet: await outcome(rest_door, people, ticket_id) for bet, ticket_id in tickets.items()} == expected

    await until(is_moved, within_s=SETTLE_S, what="everybody has what the right result pays")
    assert corrected["withdrawn"] == sorted([*WITHDRAWN, *gone])
    assert ledger.faults(*await books.ledger()) == []
