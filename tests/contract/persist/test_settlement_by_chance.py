"""Rounds by chance, settled, voided, paid out and corrected: persist does what a round on paper does."""

from collections.abc import Sequence
from typing import Any

import pytest
from furlong.common.v1.ticket_pb2 import Line, Ticket
from furlong.persist.v1.round_store_service_pb2 import GetRoundRequest, PostSettlementRequest, Winner
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest, TicketAppend
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from services.game.adapters.persist.wire import winner_to
from services.game.domain.winners import winners_by
from services.persist.adapters.postgres import deciding, posting
from tests.bookkeeping import cancel, pay, pay_out, trial_balance
from tests.model.settlement import BoughtLine, BoughtTicket, Finish, PaperRound
from tests.persisting import PRICES, World, order, verdicts
from tests.served import refused

PLAYERS, TILLS = 2, 1
FUNDS_MINOR = 100_000

Ended = tuple[Sequence[int], Sequence[int], Sequence[int]]

who = some.sampled_from([0, 1, 2, 2])  # tills have the more intricate tickets
markets = some.sampled_from(["WIN", "PLACE"])
lines = some.lists(some.tuples(markets, some.integers(1, 3), some.integers(1, 99)), min_size=1, max_size=3)
bought = some.lists(some.tuples(who, lines, some.integers(0, 3).map(lambda n: n == 0)), max_size=8)
between = some.lists(
    some.tuples(some.just("pay"), some.integers(0, 7))
    | some.tuples(some.just("pay_all"), some.just(0))
    | some.tuples(some.just("spend"), some.integers(0, PLAYERS - 1)),
    max_size=3,
)


@some.composite
def finishes(draw: some.DrawFn) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """A result with its positions, and who was withdrawn."""
    order = draw(some.permutations(tuple(PRICES)))
    withdrawn = order[3 - draw(some.sampled_from([0, 0, 1])) :]
    result = order[: len(order) - len(withdrawn)]
    positions = [1]
    for place in range(2, len(result) + 1):
        positions.append(draw(some.sampled_from([place, place, positions[-1]])))
    return result, positions, withdrawn


steps = some.lists(some.tuples(between, finishes()), max_size=4)


def asked_for(account_id: str, bets: Sequence[tuple[str, int, int]]) -> TicketAppend:
    """A ticket with a line per market, runner and stake."""
    asked = order(account_id, *(stake_minor for _, _, stake_minor in bets))
    for line, (market, runner, _) in zip(asked.lines, bets, strict=True):
        line.market = Line.Market.Value(market)
        line.runners[:], line.price_hundredths = [runner], PRICES[runner]
    return asked


def on_paper_ended(ended: Ended, places: int, greatest_minor: int) -> Finish:
    result, positions, withdrawn = ended
    groups = [tuple(r for r, at in zip(result, positions, strict=True) if at == place) for place in range(1, 4)]
    return Finish(
        groups=tuple(group for group in groups if group),
        withdrawn=frozenset(withdrawn),
        places=places,
        greatest_minor=greatest_minor,
    )


def told(ended: Ended, places: int) -> Sequence[Winner]:
    """The winners as the game tells persist of them."""
    result, positions, withdrawn = (tuple(each) for each in ended)
    return [winner_to(each) for each in winners_by(result, positions, withdrawn, places)]


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

    def __init__(
        self, world: World, round_id: int, accounts: Sequence[str], paper: PaperRound, places: int, greatest_minor: int
    ) -> None:
        self.world = world
        self.round_id = round_id
        self.accounts = accounts
        self.paper = paper
        self.places = places
        self.greatest_minor = greatest_minor
        self.house_minor = 0

    def ended(self, ended: Ended) -> Finish:
        return on_paper_ended(ended, self.places, self.greatest_minor)

    async def post(self) -> None:
        """Move the money, one chunk a call, with right books after each."""
        request = PostSettlementRequest(round_id=self.round_id)
        while (await self.world.stubs.rounds.PostSettlement(request)).stored.posting:
            await trial_balance(self.world.stubs)
            await trial_balance(self.world.stubs, self.round_id)

    async def correct(self, ended: Ended) -> None:
        # persist is told the winners; that the result is of this field is all it looks at
        result = (*ended[0], *ended[2])
        request = self.world.correct_request(self.round_id, *result, winners=told(ended, self.places))
        before = (await self.world.stubs.rounds.GetRound(GetRoundRequest(round_id=self.round_id))).stored.round
        await self.world.stubs.rounds.CorrectResult(request)
        await self.post()
        if tuple(before.result) != result:  # the same result is no correction, whoever is said to have won
            self.paper.correct(self.ended(ended))

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


async def begun(world: World, tickets: Sequence[Any], places: int, greatest_minor: int) -> Both:
    """An open round with tickets, some of them cancelled, in persist and on paper."""
    players = [await world.account(FUNDS_MINOR) for _ in range(PLAYERS)]
    accounts = [*players, *[await world.account(floor_minor=-FUNDS_MINOR) for _ in range(TILLS)]]
    round_id = (await world.open(payout_max_minor=greatest_minor)).round.round_id
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
        places,
        greatest_minor,
    )
    house = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 3")
    both.house_minor = house[0]["balance_minor"]
    return both


@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # on a database it takes minutes to find a smaller failure
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    tickets=bought,
    portion=some.sampled_from([1, 2, 500]),
    places=some.integers(1, 2),
    greatest_minor=some.sampled_from([0, 0, 150]),
    ended=some.none() | finishes(),
    steps=steps,
)
async def test_a_round_by_chance_ends_as_it_does_on_paper(
    world: World,
    tickets: Sequence[Any],
    portion: int,
    places: int,
    greatest_minor: int,
    ended: Ended | None,
    steps: Sequence[tuple[Any, Ended]],
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: portion)
        patched.setattr(posting, "POSTING_TURN_S", 0.0)
        both = await begun(world, tickets, places, greatest_minor)
        if ended is not None:
            await world.finish(both.round_id, (*ended[0], *ended[2]))
            request = world.settle_request(both.round_id, *told(ended, places))
            await world.stubs.rounds.SettleRound(request)
            both.paper.settle(both.ended(ended))
        else:
            await world.stubs.rounds.VoidRound(world.void_request(both.round_id))
            both.paper.void()
        await both.post()
        await both.check()
        for wishes, right in steps:
            for wish, what in wishes:
                await getattr(both, wish)(what)
            if ended is not None:
                await both.correct(right)
        await both.check()
