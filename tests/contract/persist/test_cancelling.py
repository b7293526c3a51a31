"""Tickets that are taken back: once, before the lock, with everything that they had moved."""

import asyncio

import grpc
import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.persist.v1.round_store_service_pb2 import StoredRound
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest

from tests.bookkeeping import block, cancel, statement, trial_balance
from tests.persisting import World, order, verdicts
from tests.served import read_refusal, refused


async def state(world: World, ticket_id: str) -> str:
    """The name of a ticket's state."""
    response = await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket_id))
    return Ticket.State.Name(response.ticket.state)


async def sold(world: World, round_id: int) -> list[tuple[int, ...]]:
    """The round's exposure: totals first, then each selection."""
    rows = await world.sql(
        "SELECT tickets, stake_minor, payout_minor_max FROM exposure WHERE round_id = $1 ORDER BY market, selection",
        round_id,
    )
    return [tuple(row) for row in rows]


async def test_a_ticket_is_taken_back_with_its_stake_and_what_it_risked(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 50), order(player, 20, runner=2))
    before = await sold(world, round_id)
    ticket = order(player, 30, 40, runner=2)
    await world.place(round_id, ticket)
    request = cancel(ticket.request_id)

    answer = await world.stubs.tickets.CancelTicket(request)

    assert (answer.ticket.state, answer.ticket.payout_minor) == (Ticket.CANCELLED, 70)
    assert (answer.totals.tickets, answer.totals.stake_minor) == (2, 70)
    assert await sold(world, round_id) == before
    assert await world.balance_minor(player) == 430
    assert await world.stubs.tickets.CancelTicket(request) == answer
    assert (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket.request_id))).ticket == answer.ticket
    newest = (await statement(world.stubs, player))[0]
    assert (newest.amount_minor, newest.reference, newest.reason) == (70, ticket.request_id, "typed wrong")
    request.reason = "another"
    assert (await refused(world.stubs.tickets.CancelTicket(request))).reason == "REQUEST_REUSED"


async def test_a_ticket_is_taken_back_once(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    ticket = order(player, 30)
    await world.place(round_id, ticket)
    answers = await asyncio.gather(
        *(world.stubs.tickets.CancelTicket(cancel(ticket.request_id)) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert await world.balance_minor(player) == 500
    told = await refused(world.stubs.tickets.CancelTicket(cancel(ticket.request_id)))
    assert (told.reason, told.metadata["state"]) == ("TICKET_STATE", "CANCELLED")


async def test_an_order_that_is_sent_again_after_its_ticket_was_taken_back_stays_answered(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    ticket = order(player, 30)
    await world.place(round_id, ticket)
    await world.stubs.tickets.CancelTicket(cancel(ticket.request_id))
    assert verdicts(await world.place(round_id, ticket)) == ["ACCEPTED*"]
    assert await state(world, ticket.request_id) == "CANCELLED"
    assert await world.balance_minor(player) == 500


async def test_a_blocked_player_and_a_till_get_their_stakes_back(world: World) -> None:
    player, till = await world.account(500), await world.account(floor_minor=-100)
    round_id = (await world.open()).round.round_id
    tickets = [order(player, 30), order(till, 40)]
    await world.place(round_id, *tickets)
    await world.stubs.ledger.SetAccountBlocked(block(player))
    for ticket in tickets:
        await world.stubs.tickets.CancelTicket(cancel(ticket.request_id))
    assert (await world.balance_minor(player), await world.balance_minor(till)) == (500, 0)
    assert await world.sql("SELECT * FROM unclaimed") == []


async def test_nothing_is_taken_back_once_the_round_has_locked(world: World) -> None:
    player = await world.account(500)
    round_id = (await world.open()).round.round_id
    tickets = [order(player, 30), order(player, 40, runner=2)]
    await world.place(round_id, *tickets)
    won, lost = (ticket.request_id for ticket in tickets)
    assert (await refused(world.stubs.tickets.CancelTicket(cancel(uuid7())))).reason == "TICKET_UNKNOWN"
    await world.let_time_pass(round_id)  # its time is over and nobody has locked it yet
    assert (await refused(world.stubs.tickets.CancelTicket(cancel(won)))).reason == "ROUND_PHASE"
    await world.settle(round_id)
    for ticket_id, state_now in ((won, "WON"), (lost, "LOST")):
        told = await refused(world.stubs.tickets.CancelTicket(cancel(ticket_id)))
        assert (told.reason, told.metadata["state"]) == ("TICKET_STATE", state_now)
    assert await world.balance_minor(player) == 430 + 70


async def test_a_ticket_that_was_taken_back_has_no_part_in_what_becomes_of_the_round(world: World) -> None:
    player = await world.account(500)
    for end, states in ((world.settle, ["CANCELLED", "WON"]), (world.void, ["CANCELLED", "VOIDED"])):
        round_id = (await world.open()).round.round_id
        tickets = [order(player, 30), order(player, 10)]
        await world.place(round_id, *tickets)
        await world.stubs.tickets.CancelTicket(cancel(tickets[0].request_id))
        await end(round_id)
        assert [await state(world, ticket.request_id) for ticket in tickets] == states
        await trial_balance(world.stubs, round_id)
    assert await world.balance_minor(player) == 500 + 13


@pytest.mark.parametrize("limited", [False, True], ids=["no limit", "a limit on risk"])
async def test_taking_back_and_placing_at_once_keep_the_books(world: World, limited: bool) -> None:
    if limited:
        await world.sql("UPDATE tracks SET round_loss_max_minor = 1000000")
    players = [await world.account(10_000) for _ in range(4)]
    round_id = (await world.open()).round.round_id
    await world.sql(
        "UPDATE rounds SET round_loss_max_minor = (SELECT round_loss_max_minor FROM tracks) WHERE round_id = $1",
        round_id,
    )
    early = [order(player, 10, runner=runner) for player in players for runner in (1, 2, 3) for _ in range(4)]
    await world.place(round_id, *early)

    await asyncio.gather(
        *(world.stubs.tickets.CancelTicket(cancel(ticket.request_id)) for ticket in early),
        *(
            world.place(round_id, *(order(player, 1, 1, runner=runner) for player in players for runner in (3, 1)))
            for _ in range(25)
        ),
    )

    assert [await world.balance_minor(player) for player in players] == [10_000 - 100] * 4
    assert [row[:2] for row in await sold(world, round_id)] == [(200, 400), (200, 200), (0, 0), (200, 200)]
    await world.settle(round_id)


async def test_a_cancel_and_the_lock_at_once_agree_on_who_came_first(world: World) -> None:
    """A ticket is taken back or takes part, and the totals that the lock has fixed say the same."""
    player = await world.account(50 * 10)
    for n in range(50):
        round_id = (await world.open()).round.round_id
        ticket = order(player, 10, runner=2)
        await world.place(round_id, ticket)
        # The round can be locked as soon as its time is over; for the cancel the same instant is decisive.
        await world.sql(
            "UPDATE rounds SET opens_at = opens_at - interval '1 minute', "
            "locks_at = clock_timestamp() + $2 * interval '1 millisecond' WHERE round_id = $1",
            *(round_id, n % 10),
        )
        outcome, locked = await asyncio.gather(cancelled(world, ticket.request_id), lock_at_the_off(world, round_id))
        assert outcome in ("CANCELLED", "ROUND_PHASE")
        assert locked.round.totals.tickets == (0 if outcome == "CANCELLED" else 1)
        await world.void(round_id)
        assert await state(world, ticket.request_id) == ("CANCELLED" if outcome == "CANCELLED" else "VOIDED")
    assert await world.balance_minor(player) == 500


async def cancelled(world: World, ticket_id: str) -> str:
    """What became of a cancel: CANCELLED, or the reason of its refusal."""
    try:
        await world.stubs.tickets.CancelTicket(cancel(ticket_id))
    except grpc.aio.AioRpcError as error:
        return read_refusal(error).reason
    return "CANCELLED"


async def lock_at_the_off(world: World, round_id: int) -> StoredRound:
    """Lock a round as soon as its time is over."""
    while True:
        try:
            response = await world.stubs.rounds.LockRound(world.lock_request(round_id))
        except grpc.aio.AioRpcError as error:
            if read_refusal(error).reason != "TOO_EARLY":
                raise
        else:
            stored: StoredRound = response.stored
            return stored
