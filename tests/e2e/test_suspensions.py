"""Parts of a track are suspended in the middle of a rush: from the answer on nothing with the part is accepted, and the
rest is sold."""

import asyncio
from typing import Any

import pytest

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.books import Books
from tests.e2e.doors import Answer, Door, GrpcDoor, RestDoor, Wrong
from tests.e2e.people import People
from tests.e2e.racing import (
    SLOW,
    fresh_id,
    moment,
    new_track,
    open_account,
    open_round,
    open_till,
    order,
    win_line,
)
from tests.e2e.waiting import until

CROWD = 16
TERMINALS = ("till-1", "till-2")
RUNNERS = (1, 2, 3)
BEFORE = 60
AFTER = 60
"""How many answers are seen before the suspension is asked for, and after it was answered."""

REASON = "a loose horse"


class Rush:
    """People who place ticket after ticket, and what each was told: terminal, runner, verdict and reason."""

    def __init__(self, door: Door, token: str, round_id: str) -> None:
        self.door = door
        self.token = token
        self.round_id = round_id
        self.told: list[tuple[str, int, Answer]] = []
        self.is_over = False
        self.stopped = False
        self.after: list[tuple[str, int, Answer]] = []

    async def buy(self, account_id: str, turn: int) -> None:
        while not self.is_over:
            turn += 1
            terminal, runner = TERMINALS[turn % 2], RUNNERS[turn % 3]
            began_after = self.stopped
            fields = {
                "round_id": self.round_id,
                "tickets": [order(account_id, win_line(runner, 1))],
                "terminal": terminal,
            }
            (result,) = (await self.door.call(methods.PLACE, fields, token=self.token))["results"]
            self.told.append((terminal, runner, result))
            if began_after:
                self.after.append((terminal, runner, result))

    async def grown(self, least: int) -> bool:
        return len(self.told) >= least

    async def grown_after(self, least: int) -> bool:
        return len(self.after) >= least


PARTS: list[dict[str, Any]] = [{"runner": 2}, {"terminal": "till-1"}, {"market": "WIN"}]


def hits(part: dict[str, Any], terminal: str, runner: int) -> bool:
    return "market" in part or part.get("runner") == runner or part.get("terminal") == terminal


@pytest.mark.parametrize("part", PARTS, ids=["runner", "terminal", "market"])
async def test_from_the_answer_on_nothing_with_the_part_is_accepted_and_the_rest_is_sold(
    stack: LocalStack, grpc_door: GrpcDoor, rest_door: RestDoor, people: People, books: Books, part: dict[str, Any]
) -> None:
    track = await new_track(stack, "part", SLOW)
    round_id = (await open_round(grpc_door, track))["round_id"]
    accounts = [await open_account(grpc_door, people.cashier) for _ in range(CROWD)]
    rush = Rush(grpc_door, people.cashier, round_id)
    asked = {"request_id": fresh_id(), "track": track, "reason": REASON, **part}
    buying = [asyncio.create_task(rush.buy(account_id, turn)) for turn, account_id in enumerate(accounts)]
    try:
        await until(lambda: rush.grown(BEFORE), within_s=30, what="tickets were placed before")
        suspended = (await rest_door.call(methods.SUSPEND_SELLING, asked, token=people.operator))["track"]
        rush.stopped = True
        await until(lambda: rush.grown_after(AFTER), within_s=30, what="tickets were placed after")
    finally:
        rush.is_over = True
        await asyncio.gather(*buying)

    (suspension,) = suspended["suspended"]
    assert suspension["reason"] == REASON
    for terminal, runner, result in rush.after:
        assert result["verdict"] == ("SUSPENDED" if hits(part, terminal, runner) else "ACCEPTED")
    sold = await books.sold_since(int(round_id), moment(suspension["since"]))
    assert not [bet for bet in sold if hits(part, bet[2], bet[1][0])], "not even by the database's clock"
    assert {result["verdict"] for _, _, result in rush.told} == {"ACCEPTED", "SUSPENDED"}

    await rest_door.call(methods.RESUME_SELLING, asked | {"request_id": fresh_id()}, token=people.operator)
    fields = {"round_id": round_id, "tickets": [order(accounts[0], win_line(2, 1))], "terminal": "till-1"}
    (again,) = (await rest_door.call(methods.PLACE, fields, token=people.cashier))["results"]
    assert (again["verdict"], again["ticket"]["terminal"]) == ("ACCEPTED", "till-1")


async def test_a_token_of_a_terminal_sells_there_and_nowhere_else(
    stack: LocalStack, door: Door, people: People, steady_track: str
) -> None:
    till = await open_till(door, people.cashier)
    token = people.till(till, terminal="till-7")
    round_id = (await open_round(door, steady_track))["round_id"]
    fields: dict[str, Any] = {"round_id": round_id, "tickets": [order(till, win_line(1, 10))]}
    (result,) = (await door.call(methods.PLACE, fields, token=token))["results"]
    with pytest.raises(Wrong) as wrong:
        await door.call(methods.PLACE, fields | {"terminal": "till-8"}, token=token)

    assert result["ticket"]["terminal"] == "till-7"
    found = await door.call(methods.GET_TICKET, {"ticket_id": result["request_id"]}, token=token)
    assert found["ticket"]["terminal"] == "till-7"
    assert (wrong.value.code, wrong.value.reason) == (7, "TERMINAL_NOT_YOURS")


async def test_a_runner_of_no_open_round_cannot_be_suspended(door: Door, people: People, bare_track: str) -> None:
    asked = {"request_id": fresh_id(), "track": bare_track, "runner": 1, "reason": REASON}
    with pytest.raises(Wrong) as wrong:
        await door.call(methods.SUSPEND_SELLING, asked, token=people.operator)
    assert wrong.value.reason == "ROUND_PHASE"
