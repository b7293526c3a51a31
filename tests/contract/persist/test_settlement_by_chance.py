"""Rounds by chance, settled, voided, paid out and corrected: persist does what a round on paper does."""

from collections.abc import Sequence
from typing import Any

import pytest
from furlong.common.v1.ticket_pb2 import Line, Ticket
from furlong.persist.v1.round_store_service_pb2 import PostSettlementRequest
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest, TicketAppend
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from services.persist.adapters.postgres import deciding, posting
from tests.bookkeeping import cancel, pay, pay_out, trial_balance
from tests.model.settlement import BoughtLine, BoughtTicket, PaperRound
from tests.persisting import PRICES, World, order, verdicts
from tests.served import refused

PLAYERS, TILLS = 2, 1
FUNDS_MINOR = 100_000

who = some.sampled_from([0, 1, 2, 2])  # tills have the more intricate tickets
lines = some.lists(some.tuples(some.integers(1, 3), some.integers(1, 99)), min_size=1, max_size=3)
bought = some.lists(some.tuples(who, lines, some.integers(0, 3).map(lambda n: n == 0)), max_size=8)
between = some.lists(
    some.tuples(some.just("pay"), some.integers(0, 7))
    | some.tuples(some.just("pay_all"), some.just(0))
    | some.tuples(some.just("spend"), some.integers(0, PLAYERS - 1)),
    max_size=3,
)
steps = some.lists(some.tuples(between, some.integers(1, 3)), max_size=4)


def asked_for(account_id: str, bets: Sequence[tuple[int, int]]) -> TicketAppend:
    """A ticket with a line per runner and stake."""
    asked = order(account_id, *(stake_minor for _, stake_minor in bets))
    for line, (runner, _) in zip(asked.lines, bets, strict=True):
        line.runners[:], line.price_hundredths = [runner], PRICES[runner]
    return asked


def on_paper(asked: TicketAppend) -> BoughtTicket:
    return BoughtTicket(
        ticket_id=asked.request_id,
        account_id=asked.account_id,
        lines=tuple(
            BoughtLine(
                market=Line.Market.Name(line.market),
                runners=tuple(line.runners),
                stake_minor=line.stake_minor,
                price_hundredths=line.price_hundredths,
            )
            for line in asked.lines
        ),
    )


class Both:
    """The same round in persist and on paper."""

    def __init__(self, world: World, round_id: int, accounts: Sequence[str], paper: PaperRound) -> None:
        self.world = world
        self.round_id = round_id
        self.accounts = accounts
        self.paper = paper
        self.house_minor = 0

    async def post(self) -> None:
        """Move the money, one chunk a call, with right books after each."""
        request = PostSettlementRequest(round_id=self.round_id)
        while (await self.world.stubs.rounds.PostSettlement(request)).stored.posting:
            await trial_balance(self.world.stubs)
            await trial_balance(self.world.stubs, self.round_id)

    async def correct(self, winning: int) -> None:
        result = (winning, *(runner for runner in PRICES if runner != winning))
        await self.world.stubs.rounds.CorrectResult(self.world.correct_request(self.round_id, *result))
        await self.post()
        self.paper.correct(result)

    async def pay(self, n: int) -> None:
        if n >= len(self.paper.tickets):
            return
        ticket_id, till = self.paper.tickets[n].ticket_id, self.accounts[-1]
        call = self.world.stubs.tickets.PayTicket(pay(ticket_id, till))
        if self.paper.pay(ticket_id, till):
            await call
        else:
            assert (await refused(call)).reason == "TICKET_STATE"

    async def pay_all(self, _: int) -> None:
        for n in range(len(self.paper.tickets)):
            await self.pay(n)

    async def spend(self, player: int) -> None:
        spent_minor = self.paper.spend(self.accounts[player])
        if spent_minor:
            await self.world.stubs.ledger.PayOutAccount(pay_out(self.accounts[player], spent_minor))

    async def check(self) -> None:
        for account_id in self.accounts:
            assert await self.world.balance_minor(account_id) == self.paper.purses[account_id]
        for ticket_id, (state, payout_minor) in self.paper.states.items():
            ticket = (await self.world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket_id))).ticket
            assert (Ticket.State.Name(ticket.state), ticket.payout_minor) == (state, payout_minor)
        rows = await self.world.sql(
            """SELECT
               (SELECT balance_minor FROM accounts WHERE kind = 3) AS house,
               (SELECT balance_minor FROM accounts JOIN rounds ON escrow_account_id = account_id WHERE round_id = $1)
                   AS escrow,
               (SELECT coalesce(sum(amount_minor), 0)::bigint FROM unclaimed WHERE round_id = $1) AS claims""",
            self.round_id,
        )
        assert rows[0]["house"] - self.house_minor == self.paper.house_minor
        assert rows[0]["escrow"] == 0
        assert rows[0]["claims"] == sum(self.paper.claims.values())
        await self.world.check_books()


async def begun(world: World, tickets: Sequence[Any]) -> Both:
    """An open round with tickets, some of them cancelled, in persist and on paper."""
    players = [await world.account(FUNDS_MINOR) for _ in range(PLAYERS)]
    accounts = [*players, *[await world.account(floor_minor=-FUNDS_MINOR) for _ in range(TILLS)]]
    round_id = (await world.open()).round.round_id
    asked = [asked_for(accounts[buyer], bets) for buyer, bets, _ in tickets]
    if asked:
        assert set(verdicts(await world.place(round_id, *asked))) == {"ACCEPTED"}
    taken_back = [each.request_id for each, (_, _, is_cancelled) in zip(asked, tickets, strict=True) if is_cancelled]
    for ticket_id in taken_back:
        await world.stubs.tickets.CancelTicket(cancel(ticket_id))
    both = Both(
        world,
        round_id,
        accounts,
        PaperRound(
            tickets=[on_paper(each) for each in asked],
            cancelled=frozenset(taken_back),
            purses={each: await world.balance_minor(each) for each in accounts},
            tills=frozenset(accounts[PLAYERS:]),
        ),
    )
    house = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 3")
    both.house_minor = house[0]["balance_minor"]
    return both


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tickets=bought, portion=some.sampled_from([1, 2, 500]), winning=some.integers(0, 3), steps=steps)
async def test_a_round_by_chance_ends_as_it_does_on_paper(
    world: World, tickets: Sequence[Any], portion: int, winning: int, steps: Sequence[tuple[Any, int]]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: portion)
        patched.setattr(posting, "POSTING_TURN_S", 0.0)
        both = await begun(world, tickets)
        if winning:
            result = (winning, *(runner for runner in PRICES if runner != winning))
            await world.finish(both.round_id, result)
            request = world.settle_request(both.round_id)
            request.winners[0].runners[:] = [winning]
            await world.stubs.rounds.SettleRound(request)
            both.paper.settle(result)
        else:
            await world.stubs.rounds.VoidRound(world.void_request(both.round_id))
            both.paper.void()
        await both.post()
        await both.check()
        for wishes, right in steps:
            for wish, what in wishes:
                await getattr(both, wish)(what)
            if winning:
                await both.correct(right)
        await both.check()
