"""Prizes of tickets bought at tills: claimed once, at any till of the currency, or expired."""

import asyncio
from contextlib import AsyncExitStack

from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest, ListTicketsRequest

from services.persist.adapters.postgres.expiring import CHUNK_TICKETS
from tests.bookkeeping import block, cancel, pay, statement, trial_balance
from tests.persisting import World, eventually, order, persisting
from tests.served import refused


async def ticket_of(world: World, ticket_id: str) -> Ticket:
    response = await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket_id))
    ticket: Ticket = response.ticket
    return ticket


async def prizes_minor(world: World, currency: str = "EUR") -> int:
    rows = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 6 AND currency = $1", currency)
    return int(rows[0]["balance_minor"])


async def won(world: World, till: str, *stakes_minor: int) -> list[str]:
    """Tickets of a till that have won 2.35 times their stakes."""
    round_id = (await world.open()).round.round_id
    orders = [order(till, stake_minor) for stake_minor in stakes_minor]
    await world.place(round_id, *orders)
    await world.settle(round_id)
    return [each.request_id for each in orders]


async def test_a_ticket_is_paid_once_at_another_till_than_it_was_bought_at(world: World) -> None:
    bought_at, paid_at = [await world.account(floor_minor=-1_000) for _ in range(2)]
    (ticket_id,) = await won(world, bought_at, 100)
    assert (await world.balance_minor(bought_at), await prizes_minor(world)) == (-100, 235)
    assert (await ticket_of(world, ticket_id)).state == Ticket.WON
    request = pay(ticket_id, paid_at)

    answer = await world.stubs.tickets.PayTicket(request)

    assert (answer.paid_minor, answer.ticket.state, answer.ticket.payout_minor) == (235, Ticket.PAID, 235)
    assert (await world.balance_minor(bought_at), await world.balance_minor(paid_at)) == (-100, 235)
    assert await prizes_minor(world) == 0
    assert await world.stubs.tickets.PayTicket(request) == answer
    assert await ticket_of(world, ticket_id) == answer.ticket
    (line,) = await statement(world.stubs, paid_at)
    assert (line.amount_minor, line.reference, line.actor) == (235, ticket_id, "till 1")
    told = await refused(world.stubs.tickets.PayTicket(pay(ticket_id, bought_at)))
    assert (told.reason, told.metadata["state"]) == ("TICKET_STATE", "PAID")
    request.account_id = bought_at
    assert (await refused(world.stubs.tickets.PayTicket(request))).reason == "REQUEST_REUSED"


async def test_the_stake_of_a_voided_ticket_can_be_claimed_too(world: World) -> None:
    till = await world.account(floor_minor=-1_000)
    round_id = (await world.open()).round.round_id
    ticket = order(till, 100)
    await world.place(round_id, ticket)
    await world.void(round_id)
    assert (await ticket_of(world, ticket.request_id)).state == Ticket.VOIDED
    answer = await world.stubs.tickets.PayTicket(pay(ticket.request_id, till))
    assert (answer.paid_minor, answer.ticket.state) == (100, Ticket.PAID)
    assert await world.balance_minor(till) == 0


async def test_of_two_tills_that_pay_the_same_ticket_at_once_exactly_one_does(world: World) -> None:
    tills = [await world.account(floor_minor=-10_000) for _ in range(2)]
    ticket_ids = await won(world, tills[0], *[10] * 50)
    before = sum([await world.balance_minor(till) for till in tills])
    for ticket_id in ticket_ids:
        answers = await asyncio.gather(
            *(world.stubs.tickets.PayTicket(pay(ticket_id, till)) for till in tills), return_exceptions=True
        )
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert sum([await world.balance_minor(till) for till in tills]) == before + 50 * 23
    assert await prizes_minor(world) == 0


async def test_the_same_request_to_pay_many_times_at_once_pays_once(world: World) -> None:
    till = await world.account(floor_minor=-1_000)
    (ticket_id,) = await won(world, till, 100)
    request = pay(ticket_id, till)
    answers = await asyncio.gather(*(world.stubs.tickets.PayTicket(request) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert await world.balance_minor(till) == 135


async def test_only_a_till_of_the_currency_that_is_not_blocked_pays(world: World) -> None:
    till = await world.account(floor_minor=-1_000)
    (ticket_id,) = await won(world, till, 100)
    elsewhere = await world.account(currency="USD", floor_minor=-1_000)
    house = await world.sql("SELECT account_id::text FROM accounts WHERE kind = 3 AND currency = 'EUR'")
    for account_id, reason in (
        (uuid7(), "ACCOUNT_UNKNOWN"),
        (await world.account(), "ACCOUNT_KIND"),
        (house[0]["account_id"], "ACCOUNT_KIND"),
        (elsewhere, "CURRENCY_MISMATCH"),
    ):
        assert (await refused(world.stubs.tickets.PayTicket(pay(ticket_id, account_id)))).reason == reason
    await world.stubs.ledger.SetAccountBlocked(block(till))
    assert (await refused(world.stubs.tickets.PayTicket(pay(ticket_id, till)))).reason == "ACCOUNT_STOPPED"
    await world.stubs.ledger.SetAccountBlocked(block(till, blocked=False))
    assert (await world.stubs.tickets.PayTicket(pay(ticket_id, till))).paid_minor == 235


async def test_a_ticket_without_anything_to_claim_is_not_paid(world: World) -> None:
    till, player = await world.account(floor_minor=-1_000), await world.account(500)
    assert (await refused(world.stubs.tickets.PayTicket(pay(uuid7(), till)))).reason == "TICKET_UNKNOWN"
    round_id = (await world.open()).round.round_id
    lost, back, of_player = order(till, 10, runner=2), order(till, 10), order(player, 10)
    await world.place(round_id, lost, back, of_player)
    await world.stubs.tickets.CancelTicket(cancel(back.request_id))
    early = await refused(world.stubs.tickets.PayTicket(pay(lost.request_id, till)))
    assert (early.reason, early.metadata["state"]) == ("TICKET_STATE", "ACCEPTED")
    await world.settle(round_id)
    for ticket, state in ((lost, "LOST"), (back, "CANCELLED"), (of_player, "WON")):
        told = await refused(world.stubs.tickets.PayTicket(pay(ticket.request_id, till)))
        assert (told.reason, told.metadata["state"]) == ("TICKET_STATE", state)


async def test_a_correction_that_makes_more_of_a_ticket_lets_the_difference_be_claimed(world: World) -> None:
    till = await world.account(floor_minor=-1_000)
    round_id = (await world.open()).round.round_id
    ticket = order(till, 100, runner=2)
    await world.place(round_id, ticket)
    await world.settle(round_id)
    assert (await refused(world.stubs.tickets.PayTicket(pay(ticket.request_id, till)))).reason == "TICKET_STATE"
    await world.correct(round_id, 2, 1, 3)
    assert (await world.stubs.tickets.PayTicket(pay(ticket.request_id, till))).paid_minor == 410
    await trial_balance(world.stubs, round_id)


async def test_paying_and_correcting_at_once_leave_nothing_unaccounted_for(world: World) -> None:
    till = await world.account(floor_minor=-100_000)
    round_id = (await world.open()).round.round_id
    wrong, right = [order(till, 10) for _ in range(40)], [order(till, 10, runner=2) for _ in range(10)]
    await world.place(round_id, *wrong, *right)
    await world.settle(round_id)
    answers, _ = await asyncio.gather(
        asyncio.gather(
            *(world.stubs.tickets.PayTicket(pay(ticket.request_id, till)) for ticket in wrong), return_exceptions=True
        ),
        world.correct(round_id, 2, 1, 3),
    )
    paid = sum(not isinstance(answer, BaseException) for answer in answers)
    states = [(await ticket_of(world, ticket.request_id)).state for ticket in wrong]
    assert states.count(Ticket.LOST) == 40 - paid
    assert await prizes_minor(world) == 10 * 41
    for ticket in right:
        assert (await world.stubs.tickets.PayTicket(pay(ticket.request_id, till))).paid_minor == 41
    assert await world.balance_minor(till) == -500 + paid * 23 + 410
    await trial_balance(world.stubs, round_id)


async def test_tickets_of_an_account_are_listed_the_newest_first_in_the_order_of_acceptance(world: World) -> None:
    player, till = await world.account(500), await world.account(floor_minor=-1_000)
    round_id = (await world.open()).round.round_id
    orders = [order(player, 10 + n) for n in range(5)]
    for each in (orders[3], orders[0], orders[4], orders[1], orders[2]):
        await world.place(round_id, each, order(till, 1))
    await world.stubs.tickets.CancelTicket(cancel(orders[1].request_id))
    found: list[Ticket] = []
    request = ListTicketsRequest(account_id=player, page_size=2)
    while True:
        page = await world.stubs.tickets.ListTickets(request)
        found += page.tickets
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert [ticket.stake_minor for ticket in found] == [12, 11, 14, 10, 13]
    assert [ticket.state for ticket in found] == [Ticket.ACCEPTED, Ticket.CANCELLED, *[Ticket.ACCEPTED] * 3]


async def age(world: World) -> None:
    """Let everything that can be claimed wait for more than a year."""
    await world.sql("UPDATE unclaimed SET since = since - interval '366 days'")


async def expire(world: World, replicas: int = 1) -> None:
    """Let replicas of persist begin, as each lets go of what is due, and wait until nothing is."""
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(persisting(world.database_url)) for _ in range(replicas)))
        await eventually(lambda: nothing_is_due(world))


async def nothing_is_due(world: World) -> bool:
    return not await world.sql("SELECT FROM unclaimed WHERE since < now() - interval '365 days'")


async def test_what_nobody_claims_in_time_is_the_houses(world: World) -> None:
    till = await world.account(floor_minor=-10_000)
    early = await won(world, till, 100)
    await age(world)
    late = await won(world, till, 10, 20)
    before = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 3")

    await expire(world)

    after = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 3")
    assert after[0]["balance_minor"] == before[0]["balance_minor"] + 235
    assert await prizes_minor(world) == 23 + 47
    expired = await ticket_of(world, early[0])
    assert (expired.state, expired.payout_minor) == (Ticket.EXPIRED, 0)
    told = await refused(world.stubs.tickets.PayTicket(pay(early[0], till)))
    assert (told.reason, told.metadata["state"]) == ("TICKET_STATE", "EXPIRED")
    assert (await world.stubs.tickets.PayTicket(pay(late[1], till))).paid_minor == 47


async def test_what_expires_does_so_in_chunks_and_once_whoever_begins(world: World) -> None:
    till = await world.account(floor_minor=-100_000)
    await won(world, till, *[10] * 500)
    await won(world, till, *[10] * 150)
    await age(world)
    await expire(world, replicas=3)
    chunks = await world.sql("SELECT count(*) AS tickets FROM events WHERE kind = 5 GROUP BY xmin ORDER BY 1")
    assert sum(row["tickets"] for row in chunks) == 650
    assert max(row["tickets"] for row in chunks) <= CHUNK_TICKETS
    assert await prizes_minor(world) == 0


async def test_paying_and_expiring_at_once_leave_each_ticket_to_one_of_them(world: World) -> None:
    till = await world.account(floor_minor=-100_000)
    ticket_ids = await won(world, till, *[10] * 60)
    await age(world)
    before = await world.balance_minor(till)
    answers, _ = await asyncio.gather(
        asyncio.gather(
            *(world.stubs.tickets.PayTicket(pay(ticket_id, till)) for ticket_id in ticket_ids), return_exceptions=True
        ),
        expire(world),
    )
    paid = sum(not isinstance(answer, BaseException) for answer in answers)
    expired = await world.sql("SELECT FROM events WHERE kind = 5")
    assert paid + len(expired) == 60
    assert await world.balance_minor(till) == before + paid * 23
    assert await prizes_minor(world) == 0


async def test_what_expires_goes_to_the_house_of_its_currency(world: World) -> None:
    abroad = World(world.stubs, world.database_url)
    abroad.track = "dollar-mile"
    await abroad.found("USD")
    await won(world, await world.account(floor_minor=-1_000), 100)
    await won(abroad, await world.account(currency="USD", floor_minor=-1_000), 10, 30)
    await age(world)
    await expire(world)
    houses = await world.sql("SELECT currency, balance_minor FROM accounts WHERE kind = 3 ORDER BY currency")
    assert [tuple(row) for row in houses] == [("EUR", 100), ("USD", 40)]
    await trial_balance(world.stubs)
