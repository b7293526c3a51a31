"""The last second before the off: tickets rush in across the lock, and none is accepted after it."""

import asyncio
from collections import Counter
from itertools import cycle

from furlong.common.v1.round_pb2 import Timetable

from deploy.local.stack import LocalStack
from tests.e2e.books import Books
from tests.e2e.doors import Answer, Door, GrpcDoor, RestDoor
from tests.e2e.people import People
from tests.e2e.racing import (
    SETTLE_S,
    balance_minor,
    new_track,
    open_account,
    open_round,
    order,
    place,
    round_that_is,
    win_line,
)
from tests.model import settlement, tickets_root

SHORT = Timetable(betting_window_ms=1_500, lock_ms=300, race_ms=300, finish_ms=300)
CROWD = 24
LATE_ANSWERS = 5
"""Every member of the crowd goes on until so many of its tickets came too late."""
FUNDS_MINOR = 1_000_000


async def rush(door: Door, token: str, round_id: str, account_id: str) -> list[Answer]:
    """Place ticket after ticket until betting has been closed for a while; the results in order."""
    results: list[Answer] = []
    late = 0
    while late < LATE_ANSWERS:
        results += await place(door, token, round_id, order(account_id, win_line(1 + len(results) % 5, 1)))
        late += results[-1]["verdict"] == "BETTING_CLOSED"
    return results


async def test_no_ticket_is_accepted_after_the_lock_and_every_one_before_it_is_in_the_root(
    stack: LocalStack, grpc_door: GrpcDoor, rest_door: RestDoor, people: People, books: Books
) -> None:
    accounts = [await open_account(grpc_door, people.cashier, funds_minor=FUNDS_MINOR) for _ in range(CROWD)]
    track = await new_track(stack, "rush", SHORT)
    opened = await open_round(grpc_door, track)
    round_id = opened["round_id"]

    doors: list[Door] = [grpc_door, rest_door]
    histories = await asyncio.gather(
        *[rush(door, people.cashier, round_id, account_id) for account_id, door in zip(accounts, cycle(doors))]
    )

    settled = await round_that_is(grpc_door, round_id, "SETTLED", within_s=SETTLE_S)
    stored = await books.tickets(int(round_id))
    owed = settlement.payouts_minor(stored, settled["result"])
    verdicts = Counter(result["verdict"] for history in histories for result in history)
    accepted = {r["request_id"] for history in histories for r in history if r["verdict"] == "ACCEPTED"}
    assert verdicts.keys() == {"ACCEPTED", "BETTING_CLOSED"}
    for history in histories:
        closed = [result["verdict"] == "BETTING_CLOSED" for result in history]
        assert closed == sorted(closed), "a ticket was accepted after one that came too late"
    assert {ticket.ticket_id for ticket in stored} == accepted
    assert await books.placed_after_the_lock(int(round_id)) == 0
    assert settled["totals"]["tickets"] == str(len(stored))
    assert settled["tickets_root"] == tickets_root.tickets_root(await books.batches(int(round_id)), int(round_id))
    for account_id in accounts:
        mine = [ticket for ticket in stored if ticket.account_id == account_id]
        left_minor = FUNDS_MINOR + sum(owed[ticket.ticket_id] - ticket.stake_minor for ticket in mine)
        assert await balance_minor(grpc_door, people.cashier, account_id) == left_minor
