"""Tickets on a stream through the gateway: hundreds of them, and a part that is killed in the middle costs nothing."""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from furlong.client import BatchAnswer, CallRefused, connect
from furlong.common.v1.ticket_pb2 import TicketOrder, TicketResult

from deploy.local.stack import LocalStack
from tests.e2e.books import Books
from tests.e2e.doors import GrpcDoor, doors
from tests.e2e.load import PLACE_S, STAKE_MINOR, orders_of
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import FUNDS_MINOR, SLOW, balance_minor, new_track, open_account, open_round
from tests.model import ledger

PAGE = Path(__file__).resolve().parents[2] / "docs" / "placing.md"
BATCHES, TICKETS_PER_BATCH = 40, 10
DOWN_S = 0.3
"""How long the killed part stays away, so that messages really meet its absence."""
PACE_S = 0.02
"""Time between two batches of those that meet a kill, so that there are some before, during and after it."""


def batches_of(account_id: str, count: int = BATCHES) -> list[list[TicketOrder]]:
    return [orders_of(account_id, TICKETS_PER_BATCH) for _ in range(count)]


def assert_complete(answers: Sequence[BatchAnswer], asked: Sequence[Sequence[TicketOrder]]) -> None:
    """Every batch was accepted whole, in its place."""
    assert [[result.request_id for result in answer.results] for answer in answers] == [
        [order.request_id for order in orders] for orders in asked
    ]
    assert {result.verdict for answer in answers for result in answer.results} == {TicketResult.ACCEPTED}


@pytest.fixture
async def door(stack: LocalStack) -> AsyncIterator[GrpcDoor]:
    async with doors(stack.addresses.gateway) as (_, grpc_door):
        yield grpc_door


@pytest.fixture
async def own_door(own: PrivateStack) -> AsyncIterator[GrpcDoor]:
    async with doors(own.gateway) as (_, grpc_door):
        yield grpc_door


async def test_hundreds_of_tickets_on_a_stream_are_placed_once_each_and_paid_for(
    stack: LocalStack, people: People, door: GrpcDoor, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    round_id = int((await open_round(door, steady_track))["round_id"])
    asked = batches_of(ann)
    async with connect(stack.addresses.gateway, token=people.player(ann)) as furlong:
        answers = [answer async for answer in furlong.tickets.stream(round_id, asked)]
        again = [answer async for answer in furlong.tickets.stream(round_id, asked[:5])]
    assert_complete(answers, asked)
    assert_complete(again, asked[:5])
    assert all(result.replayed for answer in again for result in answer.results)
    spent_minor = BATCHES * TICKETS_PER_BATCH * STAKE_MINOR
    assert await balance_minor(door, people.cashier, ann) == FUNDS_MINOR - spent_minor


async def test_bad_batches_are_answered_with_what_is_wrong_and_the_stream_goes_on(
    stack: LocalStack, people: People, door: GrpcDoor, steady_track: str
) -> None:
    ann, ben = await open_account(door, people.cashier), await open_account(door, people.cashier)
    round_id = int((await open_round(door, steady_track))["round_id"])
    good, other, empty, long = orders_of(ann, 2), orders_of(ben, 2), orders_of(ann, 0), orders_of(ann, 501)
    async with connect(stack.addresses.gateway, token=people.player(ann)) as furlong:
        batches = [good, other, empty, long, orders_of(ann, 1)]
        answers = [answer async for answer in furlong.tickets.stream(round_id, batches)]
    assert [answer.error and answer.error.reason for answer in answers] == [
        None,
        "ACCOUNT_NOT_YOURS",
        "MALFORMED",
        "MALFORMED",
        None,
    ]
    assert await balance_minor(door, people.cashier, ben) == FUNDS_MINOR


@pytest.mark.parametrize("who", ["nobody", "auditor", "expired", "forged"])
async def test_who_may_not_bet_is_told_so(stack: LocalStack, people: People, who: str) -> None:
    auditor = stack.token(roles=["AUDITOR"], accounts=())
    tokens = {"nobody": None, "auditor": auditor, "expired": people.expired, "forged": people.forged}
    reasons = {"nobody": "TOKEN_MISSING", "auditor": "ROLE_MISSING"}
    async with connect(stack.addresses.gateway, token=tokens[who]) as furlong:
        (answer,) = [answer async for answer in furlong.tickets.stream(1, batches_of("nobody", 1))]
    assert isinstance(answer.error, CallRefused)
    assert answer.error.reason == reasons.get(who, "TOKEN_INVALID")


async def test_the_example_of_the_page_on_placing_runs(
    stack: LocalStack, people: People, door: GrpcDoor, steady_track: str
) -> None:
    ann = await open_account(door, people.cashier)
    await open_round(door, steady_track)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    example = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, steady_track, ann),
        env={**os.environ, "FURLONG_GATEWAY": stack.addresses.gateway, "FURLONG_TOKEN": people.player(ann)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await example.communicate()
    assert (example.returncode, said.decode()) == (0, "1000 tickets accepted\n")


End = Callable[[PrivateStack, str], Awaitable[None]]


@pytest.mark.parametrize(
    ("end", "part"),
    [(PrivateStack.kill, "persist"), (PrivateStack.kill, "game"), (PrivateStack.stop, "game")],
    ids=["persist killed", "game killed", "game ended in order"],
)
async def test_a_part_that_goes_away_in_the_middle_costs_no_ticket_and_doubles_none(
    own: PrivateStack, own_people: People, own_door: GrpcDoor, end: End, part: str
) -> None:
    track = await new_track(own.stack, "streamed", SLOW)
    ann = await open_account(own_door, own_people.cashier)
    round_id = int((await open_round(own_door, track))["round_id"])
    asked = batches_of(ann, 60)
    enough = asyncio.Event()

    async def paced() -> AsyncIterator[list[TicketOrder]]:
        for n, orders in enumerate(asked):
            if n == len(asked) // 3:
                enough.set()
            await asyncio.sleep(PACE_S)
            yield orders

    async def break_it() -> None:
        await enough.wait()
        await end(own, part)
        await asyncio.sleep(DOWN_S)
        await own.start(part)

    async with connect(own.gateway, token=own_people.player(ann)) as furlong:
        breaking = asyncio.create_task(break_it())
        answers = [answer async for answer in furlong.tickets.stream(round_id, paced(), deadline_s=PLACE_S)]
        await breaking

    assert_complete(answers, asked)
    async with Books.open(own.database_url) as books:
        stored, faults = await books.tickets(round_id), ledger.faults(*await books.ledger())
    assert faults == []
    assert Counter(ticket.ticket_id for ticket in stored) == Counter(
        order.request_id for orders in asked for order in orders
    )
    spent_minor = len(stored) * STAKE_MINOR
    assert await balance_minor(own_door, own_people.cashier, ann) == FUNDS_MINOR - spent_minor
