"""A watcher's own tickets and who watches, through the gateway on the real thing: sold, taken back, paid."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
import pytest
from furlong.client import CallRefused, Furlong, connect
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from deploy.local.stack import LocalStack
from tests.e2e import methods
from tests.e2e.doors import Door
from tests.e2e.people import People
from tests.e2e.racing import (
    CARD,
    FAST,
    SETTLE_S,
    fresh_name,
    new_track,
    open_account,
    open_round,
    order,
    place,
    win_line,
)
from tests.e2e.waiting import until

TOLD_S = 3.0


async def own(furlong: Furlong, track: str, account_id: str, terminal: str = "") -> AsyncGenerator[list[Ticket], None]:
    """The tickets of an account, each time that they are told."""
    async with aclosing(furlong.rounds.watch(track, accounts=[account_id], terminal=terminal)) as frames:
        async for frame in frames:
            if frame.kind == WatchRoundsResponse.OWN:
                assert frame.own.account_id == account_id
                yield list(frame.own.tickets)


async def shown(watching: AsyncGenerator[list[Ticket], None], within_s: float = TOLD_S) -> dict[str, str]:
    async with asyncio.timeout(within_s):
        return {ticket.ticket_id: Ticket.State.Name(ticket.state) for ticket in await anext(watching)}


async def test_a_watcher_sees_its_tickets_sold_taken_back_and_paid(
    stack: LocalStack, door: Door, people: People
) -> None:
    track = await new_track(stack, "own", FAST)
    account_id = await open_account(door, people.cashier)
    async with (
        connect(stack.addresses.gateway, token=people.player(account_id)) as furlong,
        aclosing(own(furlong, track, account_id)) as watching,
    ):
        assert await shown(watching) == {}
        a_round = await open_round(door, track)
        lines = [win_line(runner.runner, 100) for runner in CARD.runners]
        placed = await place(door, people.cashier, a_round["round_id"], order(account_id, *lines))
        ticket_id = placed[0]["ticket"]["ticket_id"]
        assert await shown(watching) == {ticket_id: "ACCEPTED"}
        told: dict[str, str] = {}
        while told.get(ticket_id) != "WON":  # a line on every runner wins
            told = await shown(watching, SETTLE_S)


async def test_only_accounts_that_the_token_may_read_are_told(stack: LocalStack, door: Door, people: People) -> None:
    track = await new_track(stack, "own", FAST)
    mine = await open_account(door, people.cashier)
    other = await open_account(door, people.cashier)
    async with connect(stack.addresses.gateway, token=people.player(mine)) as furlong:
        for accounts, terminal, reason in (([other], "", "ACCOUNT_NOT_YOURS"), ([mine], "till-4", "ROLE_MISSING")):
            with pytest.raises(CallRefused) as refused:
                async with aclosing(furlong.rounds.watch(track, accounts=accounts, terminal=terminal)) as frames:
                    await anext(frames)
            assert (refused.value.code, refused.value.reason) == (grpc.StatusCode.PERMISSION_DENIED, reason)


async def test_operators_see_which_terminals_are_connected(stack: LocalStack, door: Door, people: People) -> None:
    track, terminal = await new_track(stack, "own", FAST), fresh_name("till")

    async def connected() -> list[str]:
        told = await door.call(methods.LIST_PRESENCE, {"track": track}, token=people.operator)
        return [each["terminal"] for each in told["terminals"]]

    async with connect(stack.addresses.gateway, token=people.cashier) as furlong:
        async with aclosing(furlong.rounds.watch(track, terminal=terminal)) as frames:
            await anext(frames)
            assert await connected() == [terminal]

        async def is_gone() -> bool:
            return await connected() == []

        await until(is_gone, within_s=TOLD_S, what="the terminal has left")
