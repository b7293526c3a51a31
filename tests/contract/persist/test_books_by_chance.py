"""A shop by chance: persist answers every wish as the shop on paper does, and the books agree to the last line."""

from collections.abc import Awaitable
from typing import Any

import grpc
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from tests.bookkeeping import adjust, block, cancel, pay, pay_out, statement, trial_balance
from tests.model.counter import Counter, Somebody
from tests.model.ledger import BookTransfer, replay
from tests.persisting import World, order, winner
from tests.served import read_refusal

PEOPLE = {"Ann": 0, "Bob": 0, "till 1": -500, "till 2": -80}
who = some.sampled_from(sorted(PEOPLE))
minor = some.integers(1, 200)
ticket = some.integers(0, 5)  # of so many, or of fewer in turn, so that most are met more than once

BY_HAND = (
    some.tuples(some.just("credit"), who, minor)
    | some.tuples(some.just("pay_out"), who, minor)
    | some.tuples(some.just("adjust"), who, some.integers(-200, 200).filter(bool))
    | some.tuples(some.just("block"), who, some.booleans())
)
STAKE = some.tuples(some.just("stake"), who, minor, some.sampled_from((1, 1, 2, 3)))
CANCEL = some.tuples(some.just("cancel"), ticket)
PAY = some.tuples(some.just("pay"), ticket, who)

Steps = list[tuple[Any, ...]]


class Play:
    """The same wishes to both shops."""

    def __init__(self, world: World, round_id: int, accounts: dict[str, str]) -> None:
        self.world = world
        self.round_id = round_id
        self.accounts = accounts
        self.paper = Counter({name: Somebody(floor < 0, floor) for name, floor in PEOPLE.items()})
        self.tickets: list[str] = []

    async def credit(self, name: str, amount_minor: int) -> None:
        await self.world.credit(self.accounts[name], amount_minor)
        self.paper.credit(name, amount_minor)

    async def pay_out(self, name: str, amount_minor: int) -> None:
        call = self.world.stubs.ledger.PayOutAccount(pay_out(self.accounts[name], amount_minor))
        assert await reason(call) == self.paper.pay_out(name, amount_minor)

    async def adjust(self, name: str, amount_minor: int) -> None:
        call = self.world.stubs.ledger.AdjustAccount(adjust(self.accounts[name], amount_minor))
        assert await reason(call) == self.paper.adjust(name, amount_minor)

    async def block(self, name: str, blocked: bool) -> None:
        call = self.world.stubs.ledger.SetAccountBlocked(block(self.accounts[name], blocked))
        assert await reason(call) == self.paper.block(name, blocked)

    async def stake(self, name: str, amount_minor: int, runner: int) -> None:
        sent = order(self.accounts[name], amount_minor, runner=runner)
        (answer,) = await self.world.place(self.round_id, sent)
        verdict = TicketResult.Verdict.Name(answer.verdict).replace("ACCEPTED", "")
        assert verdict == self.paper.stake(sent.request_id, name, amount_minor, runner)
        if not verdict:
            self.tickets.append(sent.request_id)

    async def cancel(self, n: int) -> None:
        ticket_id = self._ticket(n)
        call = self.world.stubs.tickets.CancelTicket(cancel(ticket_id))
        assert await reason(call) == self.paper.cancel(ticket_id)

    async def pay(self, n: int, name: str) -> None:
        ticket_id = self._ticket(n)
        call = self.world.stubs.tickets.PayTicket(pay(ticket_id, self.accounts[name]))
        assert await reason(call) == self.paper.pay(ticket_id, name)

    async def end(self, winning: int) -> None:
        self.paper.end(winning)
        await (self.world.settle(self.round_id, winner(winning)) if winning else self.world.void(self.round_id))

    async def check(self) -> None:
        """Everybody holds what they hold on paper, and every statement is what a replay of the transfers says."""
        booked = await self.world.sql(
            """SELECT debit_account_id::text, credit_account_id::text, amount_minor, xmin::text::bigint AS transaction
               FROM transfers ORDER BY transfer_id"""
        )
        transfers = [BookTransfer(**dict(row)) for row in booked]
        for name, account_id in self.accounts.items():
            lines = await statement(self.world.stubs, account_id, page_size=3)
            told = [(line.amount_minor, line.balance_minor) for line in reversed(lines)]
            assert told == replay(account_id, transfers)
            assert await self.world.balance_minor(account_id) == self.paper.people[name].balance_minor
        for ticket_id, slip in self.paper.slips.items():
            found = (await self.world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket_id))).ticket
            assert Ticket.State.Name(found.state) == slip.state
        await trial_balance(self.world.stubs)
        await trial_balance(self.world.stubs, self.round_id)
        await self.world.check_books()

    def _ticket(self, n: int) -> str:
        return self.tickets[n % len(self.tickets)] if self.tickets else uuid7()


async def reason(call: Awaitable[Any]) -> str:
    """What a wish is refused for; empty where it is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return read_refusal(error).reason
    return ""


@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # on a database it takes minutes to find a smaller failure
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=some.lists(BY_HAND | STAKE | STAKE | CANCEL, min_size=5, max_size=25),
    winning=some.sampled_from((0, 1, 1, 2, 3)),
    after=some.lists(BY_HAND | PAY | PAY | STAKE, min_size=5, max_size=20),
)
async def test_a_shop_by_chance_keeps_the_books_that_paper_keeps(
    world: World, before: Steps, winning: int, after: Steps
) -> None:
    accounts = {name: await world.account(floor_minor=floor) for name, floor in PEOPLE.items()}
    play = Play(world, (await world.open()).round.round_id, accounts)
    for name in ("Ann", "Bob"):
        await play.credit(name, 300)
    for step, *wish in before:
        await getattr(play, step)(*wish)
    await play.end(winning)
    for step, *wish in after:
        await getattr(play, step)(*wish)
    await play.check()
