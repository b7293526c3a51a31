"""A part is killed with SIGKILL in the middle of everything and started again: nothing is lost, nothing comes twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from furlong.client import Furlong, connect
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from tests.e2e.books import Books
from tests.e2e.doors import Answer, GrpcDoor, doors
from tests.e2e.load import PLACE_S, STAKE_MINOR, TICKETS_PER_CALL, Load, grown, orders_of, work
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import (
    SETTLE_S,
    SLOW,
    TRANSITION_S,
    balance_minor,
    new_track,
    open_account,
    open_round,
    round_that_is,
)
from tests.e2e.waiting import until
from tests.e2e.watching import assert_every_transition_once_and_in_order, phases_of, watched
from tests.model import ledger, settlement

TIMETABLE = Timetable(betting_window_ms=2_500, lock_ms=1_500, race_ms=1_500, finish_ms=500)
"""Every phase is long enough to be hit."""
TICKETS_BEFORE_KILL = 40
LOAD_WORKERS = 8
ACKNOWLEDGED_BEFORE_S = 10.0
DOWN_S = 0.3
"""How long the killed part stays away, so that calls really meet its absence."""


@pytest.fixture
async def door(own: PrivateStack) -> AsyncIterator[GrpcDoor]:
    async with doors(own.gateway) as (_, grpc_door):
        yield grpc_door


@pytest.fixture
async def client(own: PrivateStack, own_people: People) -> AsyncIterator[Furlong]:
    async with connect(own.gateway, token=own_people.cashier) as furlong:
        yield furlong


End = Callable[[PrivateStack, str], Awaitable[None]]


# ---- game ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "phase"),
    [(PrivateStack.kill, "OPEN"), (PrivateStack.kill, "LOCKED"), (PrivateStack.kill, "RUNNING"),
     (PrivateStack.stop, "OPEN")],
    ids=["killed while OPEN", "killed while LOCKED", "killed while RUNNING", "ended in order while OPEN"],
)  # fmt: skip
async def test_a_game_that_goes_away_loses_no_round_and_settles_none_twice(
    own: PrivateStack, own_people: People, door: GrpcDoor, client: Furlong, end: End, phase: str
) -> None:
    track = await new_track(own.stack, "killed", TIMETABLE)
    ann = await open_account(door, own_people.cashier)
    opened = await open_round(door, track, left_s=1.5)
    round_id = int(opened["round_id"])
    orders = orders_of(ann, TICKETS_BEFORE_KILL)
    async with watched(client, track) as frames:
        before = await client.tickets.place(round_id, orders)
        await round_that_is(door, opened["round_id"], phase)

        await end(own, "game")
        await own.start("game")

        again = await client.tickets.place(round_id, orders, deadline_s=PLACE_S)
        await round_that_is(door, opened["round_id"], "SETTLED", within_s=SETTLE_S)
        following = await next_open_round(door, track, after=round_id)
        await until(
            lambda: seen(frames, Round.OPEN, int(following["round_id"])),
            within_s=TRANSITION_S,
            what="the watcher sees the next round open",
        )
    settled = await client.rounds.get(round_id)

    assert [result.verdict for result in before] == [TicketResult.ACCEPTED] * len(orders)
    assert [(result.verdict, result.ticket) for result in again] == [(each.verdict, each.ticket) for each in before]
    assert all(result.replayed for result in again)
    assert_every_transition_once_and_in_order(frames)
    assert phases_of(frames, round_id) == [Round.OPEN, Round.LOCKED, Round.RUNNING, Round.FINISHED, Round.SETTLED]
    async with Books.open(own.database_url) as books:
        transitions, phases = await books.transitions(track), await books.phases(track)
        tickets, settlements = await books.tickets(round_id), await books.settlements(round_id)
        faults = ledger.faults(*await books.ledger())
    assert [number for number, _, _ in transitions] == list(range(1, len(transitions) + 1))
    assert [phase for _, of_round, phase in transitions if of_round == round_id] == phases_of(frames, round_id)
    assert {phases[each] for each in phases if each < int(following["round_id"])} == {Round.SETTLED}
    assert settlements == 1
    assert faults == []
    paid = settlement.payouts_minor(tickets, list(settled.result))
    assert {ticket.ticket_id for ticket in tickets} == {order.request_id for order in orders}
    assert settled.payout_minor == sum(paid.values())
    assert await balance_minor(door, own_people.cashier, ann) == 1_000_000 - STAKE_MINOR * len(orders) + sum(
        paid.values()
    )


async def next_open_round(door: GrpcDoor, track: str, *, after: int) -> Answer:
    async def ask() -> Answer | None:
        current = await open_round(door, track, left_s=0)
        return current if int(current["round_id"]) > after else None

    return await until(ask, within_s=TRANSITION_S, what=f"{track} opens a round after {after}")


async def seen(frames: list[WatchRoundsResponse], phase: "Round.Phase.ValueType", round_id: int) -> bool:
    return any(frame.round.phase == phase and frame.round.round_id == round_id for frame in frames)


# ---- every part under load -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["persist", "postgres", "game", "gateway"])
async def test_what_is_killed_under_load_loses_nothing_that_was_acknowledged(
    own: PrivateStack, own_people: People, door: GrpcDoor, client: Furlong, name: str
) -> None:
    track = await new_track(own.stack, "loaded", SLOW)
    accounts = [await open_account(door, own_people.cashier) for _ in range(LOAD_WORKERS)]
    round_id = int((await open_round(door, track))["round_id"])
    load, done = Load(), asyncio.Event()

    async with asyncio.TaskGroup() as workers:
        for account_id in accounts:
            workers.create_task(work(client, round_id, account_id, load, done))
        await until(lambda: grown(load, 100), within_s=ACKNOWLEDGED_BEFORE_S, what="the load is on")
        await own.kill(name)
        at_kill = len(load.results)
        await asyncio.sleep(DOWN_S)
        await own.start(name)
        await until(lambda: grown(load, at_kill + 100), within_s=PLACE_S, what="tickets are accepted again")
        done.set()

    async with Books.open(own.database_url) as books:
        stored, faults = await books.tickets(round_id), ledger.faults(*await books.ledger())
    stakes = Counter[str]()
    for ticket in stored:
        stakes[ticket.account_id] += ticket.stake_minor
    assert {result.verdict for result in load.results} == {TicketResult.ACCEPTED}
    assert len(load.results) == load.calls * TICKETS_PER_CALL
    assert sorted(ticket.ticket_id for ticket in stored) == sorted(result.request_id for result in load.results)
    assert faults == []
    for account_id in accounts:
        assert await balance_minor(door, own_people.cashier, account_id) == 1_000_000 - stakes[account_id]
