"""An operator voids a round: every stake goes back, exactly once."""

import asyncio

import pytest

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.doors import Door, RestDoor, Wrong
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
    win_line,
)
from tests.model import ledger, settlement


@pytest.fixture
async def track(stack: LocalStack) -> str:
    """A track that each test voids the only round of."""
    return await new_track(stack, "void", SLOW)


async def test_a_void_gives_every_stake_back_once(
    rest_door: RestDoor, people: People, books: Books, track: str
) -> None:
    accounts = [await open_account(rest_door, people.cashier) for _ in range(3)]
    opened = await open_round(rest_door, track)
    orders = [order(account, win_line(1 + turn % 5, 100), win_line(2, 50)) for turn, account in enumerate(accounts * 4)]
    placed = await place(rest_door, people.cashier, opened["round_id"], *orders)
    voiding = {"request_id": fresh_id(), "round_id": opened["round_id"], "reason": "the lights went out"}

    voided = await rest_door.call(methods.VOID_ROUND, voiding, token=people.operator)
    again = await rest_door.call(methods.VOID_ROUND, voiding, token=people.operator)

    assert {result["verdict"] for result in placed} == {"ACCEPTED"}
    assert voided["round"]["phase"] == "VOID"
    assert voided["round"]["void_reason"] == "the lights went out"
    assert again == voided
    assert [await balance_minor(rest_door, people.cashier, account) for account in accounts] == [FUNDS_MINOR] * 3
    owed = settlement.refunds_minor(await books.tickets(int(opened["round_id"])))
    for result in placed:
        found = await rest_door.call(methods.GET_TICKET, {"ticket_id": result["request_id"]}, token=people.cashier)
        assert found["ticket"]["state"] == "VOIDED"
        assert int(found["ticket"]["payout_minor"]) == owed[result["request_id"]]
    assert ledger.faults(*await books.ledger()) == []


async def test_voids_at_the_same_time_give_every_stake_back_once(
    rest_door: RestDoor, people: People, books: Books, track: str
) -> None:
    ann = await open_account(rest_door, people.cashier)
    opened = await open_round(rest_door, track)
    await place(rest_door, people.cashier, opened["round_id"], order(ann, win_line(1, 100)))

    async def void() -> str:
        fields = {"request_id": fresh_id(), "round_id": opened["round_id"], "reason": "the lights went out"}
        try:
            answer = await rest_door.call(methods.VOID_ROUND, fields, token=people.operator)
        except Wrong as wrong:
            return wrong.reason
        return str(answer["round"]["phase"])

    answers = await asyncio.gather(*[void() for _ in range(8)])

    assert "VOID" in answers
    assert set(answers) <= {"VOID", "ROUND_PHASE"}
    assert await balance_minor(rest_door, people.cashier, ann) == FUNDS_MINOR
    assert ledger.faults(*await books.ledger()) == []


async def test_a_voided_round_takes_no_ticket_and_the_next_one_opens(
    rest_door: RestDoor, people: People, track: str
) -> None:
    ann = await open_account(rest_door, people.cashier)
    opened = await open_round(rest_door, track)
    fields = {"request_id": fresh_id(), "round_id": opened["round_id"], "reason": "the lights went out"}
    await rest_door.call(methods.VOID_ROUND, fields, token=people.operator)

    [late] = await place(rest_door, people.cashier, opened["round_id"], order(ann, win_line(1, 100)))
    following = await open_round(rest_door, track)
    [in_time] = await place(rest_door, people.cashier, following["round_id"], order(ann, win_line(1, 100)))

    assert late["verdict"] == "BETTING_CLOSED"
    assert int(following["round_id"]) > int(opened["round_id"])
    assert in_time["verdict"] == "ACCEPTED"


async def test_a_void_for_another_reason_under_the_same_id_is_refused(
    door: Door, rest_door: RestDoor, people: People, track: str
) -> None:
    opened = await open_round(rest_door, track)
    fields = {"request_id": fresh_id(), "round_id": opened["round_id"], "reason": "the lights went out"}
    await door.call(methods.VOID_ROUND, fields, token=people.operator)

    with pytest.raises(Wrong) as caught:
        await door.call(methods.VOID_ROUND, {**fields, "reason": "another"}, token=people.operator)

    assert caught.value.reason == "REQUEST_REUSED"
