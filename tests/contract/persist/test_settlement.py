"""Settlements over a real database: decided once, posted in chunks by anybody, corrected with what is there to take."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import grpc
import pytest
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Line, Ticket
from furlong.persist.v1.round_store_service_pb2 import (
    GetRoundRequest,
    ListTransitionsRequest,
    ListUnsettledRoundsRequest,
    PostSettlementRequest,
    PostSettlementResponse,
)
from furlong.persist.v1.ticket_store_service_pb2 import AppendTicketsRequest, GetTicketRequest

from services.chassis.config import settings
from services.persist import engine
from services.persist.adapters.postgres import deciding, posting
from services.persist.adapters.postgres.chunks import Chunk
from services.persist.adapters.postgres.database import Connection
from services.persist.config import PersistConfig
from tests.bookkeeping import cancel, pay, pay_out
from tests.persisting import PRICES, World, eventually, order, persisting, verdicts, winner
from tests.served import refused

HOUSE, ESCROW, PRIZES = 3, 4, 6
TWELVE_PAID_MINOR = 1_000 - 12 * 10 + 12 * 23
"""What the player of `twelve_won` has in the end."""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tickets make a chunk, and a call posts one."""
    monkeypatch.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: 2)
    monkeypatch.setattr(posting, "POSTING_TURN_S", 0.0)
    monkeypatch.setattr(posting, "CHUNKS_AS_ONE", 1)


async def post_once(world: World, round_id: int) -> PostSettlementResponse:
    response: PostSettlementResponse = await world.stubs.rounds.PostSettlement(PostSettlementRequest(round_id=round_id))
    return response


async def held_minor(world: World, kind: int) -> int:
    """What the accounts of a kind hold together."""
    rows = await world.sql(
        "SELECT coalesce(sum(balance_minor), 0)::bigint AS minor FROM accounts WHERE kind = $1", kind
    )
    return int(rows[0]["minor"])


async def standing(world: World, ticket_id: str) -> tuple[str, int]:
    """The state and the payout of a ticket."""
    ticket = (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket_id))).ticket
    return Ticket.State.Name(ticket.state), ticket.payout_minor


async def standings(world: World, ticket_ids: Sequence[str]) -> list[str]:
    return [(await standing(world, ticket_id))[0] for ticket_id in ticket_ids]


async def twelve_won(world: World) -> tuple[str, int]:
    """A player with twelve tickets that have won, and their round, on which that is decided and nothing posted."""
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    for _ in range(12):
        await bet(world, round_id, player, 10)
    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    return player, round_id


async def bet(world: World, round_id: int, account_id: str, stake_minor: int, runner: int = 1) -> str:
    """Place a ticket; its id."""
    asked = order(account_id, stake_minor, runner=runner)
    assert verdicts(await world.place(round_id, asked)) == ["ACCEPTED"]
    return asked.request_id


# ---- decision and posting --------------------------------------------------------------------------------------------


async def test_a_decision_moves_no_money(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    ticket = await bet(world, round_id, player, 100)
    await world.finish(round_id)
    decided = (await world.stubs.rounds.SettleRound(world.settle_request(round_id))).stored
    assert (decided.round.phase, decided.posting, decided.round.payout_minor) == (Round.FINISHED, True, 235)
    assert await world.balance_minor(player) == 900
    assert await standing(world, ticket) == ("ACCEPTED", 0)
    unsettled = await world.stubs.rounds.ListUnsettledRounds(ListUnsettledRoundsRequest(track=world.track))
    assert [each.posting for each in unsettled.rounds] == [True]
    posted = await post_once(world, round_id)
    assert (posted.stored.round.phase, posted.stored.posting) == (Round.SETTLED, False)
    assert (posted.chunks_posted, posted.chunks) == (1, 1)
    assert await world.balance_minor(player) == 1_135


@pytest.mark.usefixtures("small_chunks")
async def test_every_chunk_leaves_right_books_and_no_ticket_has_lost_before_the_round_is_settled(world: World) -> None:
    players = [await world.account(1_000) for _ in range(3)]
    till = await world.account(floor_minor=-10_000)
    round_id = (await world.open()).round.round_id
    tickets = [
        await bet(world, round_id, buyer, 100 + n, runner=1 + n % 2) for n, buyer in enumerate([*players, till] * 2)
    ]
    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    won = [n % 2 == 0 for n in range(len(tickets))]
    for chunk in range(1, 5):
        posted = await post_once(world, round_id)
        assert (posted.chunks_posted, posted.chunks, posted.stored.posting) == (chunk, 4, chunk < 4)
        await world.check_books()
        assert await held_minor(world, ESCROW) == sum(100 + n for n in range(2 * chunk, len(tickets)))
        rest = "LOST" if chunk == 4 else "ACCEPTED"
        assert await standings(world, tickets) == [
            "WON" if won[n] and n < 2 * chunk else rest for n in range(len(tickets))
        ]
    transfers = await world.sql("SELECT reference FROM transfers WHERE round_id = $1 AND kind = 5", round_id)
    assert len({row["reference"] for row in transfers}) == 4, "the house moves once a chunk"


@pytest.mark.usefixtures("small_chunks")
async def test_posted_by_many_at_once_every_chunk_is_posted_once(world: World) -> None:
    players = [await world.account(1_000) for _ in range(4)]
    round_id = (await world.open()).round.round_id
    for n in range(20):
        await bet(world, round_id, players[n % 4], 10)
    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    async with persisting(world.database_url) as stubs:
        request = PostSettlementRequest(round_id=round_id)
        await asyncio.gather(*(each.rounds.PostSettlement(request) for each in (world.stubs, stubs) * 15))
    posted = await post_once(world, round_id)
    assert (posted.stored.round.phase, posted.chunks_posted, posted.chunks) == (Round.SETTLED, 10, 10)
    assert [await world.balance_minor(each) for each in players] == [1_000 - 50 + 5 * 23] * 4
    assert await held_minor(world, ESCROW) == 0


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("as_one", [1, 3])
async def test_a_posting_that_is_broken_off_goes_on_where_it_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch, as_one: int
) -> None:
    monkeypatch.setattr(posting, "CHUNKS_AS_ONE", as_one)
    monkeypatch.setattr(engine, "PLACING_S", 0.0)
    player, round_id = await twelve_won(world)
    request = PostSettlementRequest(round_id=round_id)
    for wait_s in [n / 1_000 for n in range(1, 40)]:
        try:
            await world.stubs.rounds.PostSettlement(request, timeout=wait_s)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: PT017 - it may end well, too
        await world.check_books()
    await world.post(round_id)
    assert await world.balance_minor(player) == TWELVE_PAID_MINOR
    events = await world.sql("SELECT count(*) AS n FROM events WHERE round_id = $1", round_id)
    assert events[0]["n"] == 12
    assert [row["chunk"] for row in await world.sql("SELECT chunk FROM postings ORDER BY chunk")] == [1, 2, 3, 4, 5, 6]


async def test_while_nobody_bets_three_chunks_are_posted_as_one_and_written_down_each(
    world: World, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "CHUNKS_AS_ONE", 3)
    monkeypatch.setattr(engine, "PLACING_S", 0.0)
    player, round_id = await twelve_won(world)
    posted = await world.post(round_id)
    assert (posted.round.phase, posted.posting) == (Round.SETTLED, False)
    rows = await world.sql("SELECT chunk, tickets_paid, stake_minor, payout_minor FROM postings ORDER BY chunk")
    assert [row["chunk"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["tickets_paid"] for row in rows] == [2, 0, 0, 6, 2, 2], "the first turn cannot know, the last ends"
    assert [row["stake_minor"] for row in rows] == [20, 0, 0, 60, 20, 20]
    assert [row["payout_minor"] for row in rows] == [46, 0, 0, 138, 46, 46]
    assert await world.balance_minor(player) == TWELVE_PAID_MINOR
    await world.check_books()


async def test_while_somebody_bets_at_another_replica_chunks_are_posted_one_by_one(
    world: World, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "CHUNKS_AS_ONE", 3)
    monkeypatch.setattr(engine, "PLACING_S", 0.0)
    _, round_id = await twelve_won(world)
    better = await world.account(1_000)
    next_id = (await world.open()).round.round_id
    async with persisting(world.database_url) as other:
        for _ in range(6):
            await post_once(world, round_id)
            await other.tickets.AppendTickets(AppendTicketsRequest(round_id=next_id, tickets=[order(better, 10)]))
    rows = await world.sql("SELECT tickets_paid FROM postings WHERE round_id = $1 ORDER BY chunk", round_id)
    assert [row["tickets_paid"] for row in rows] == [2] * 6


@pytest.mark.parametrize("step", ["pay_chunk", "close_chunk"])
async def test_a_chunk_that_fails_takes_the_one_that_is_written_beside_it_along(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: 2)
    monkeypatch.setattr(posting, "CHUNKS_AS_ONE", 1)
    player, round_id = await twelve_won(world)
    right = getattr(posting, step)

    async def broken(connection: Connection, chunk: Chunk, *rest: Any) -> Any:
        if chunk.chunk == 3:
            raise RuntimeError("broken")
        return await right(connection, chunk, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(posting, step, broken)
        with pytest.raises(grpc.aio.AioRpcError):
            await post_once(world, round_id)
    assert [row["chunk"] for row in await world.sql("SELECT chunk FROM postings ORDER BY chunk")] == [1, 2]
    await world.check_books()
    await world.post(round_id)
    assert await world.balance_minor(player) == TWELVE_PAID_MINOR


async def test_the_fewest_connections_that_may_be_configured_are_enough_to_post(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: 2)
    [fewest] = [int(known.min or 0) for known, _ in settings(PersistConfig) if known.env == "DB_TRANSITIONS_MAX"]
    player, round_id = await twelve_won(world)
    async with persisting(world.database_url, db_transitions_max=fewest) as stubs:
        posted = await stubs.rounds.PostSettlement(PostSettlementRequest(round_id=round_id))
    assert posted.chunks_posted > 1
    await world.post(round_id)
    assert await world.balance_minor(player) == TWELVE_PAID_MINOR


async def test_a_prize_is_numbered_after_what_its_account_was_doing(world: World) -> None:
    """A statement lists an account's transfers by their ids, which is the order of its balances only if this holds."""
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await bet(world, round_id, player, 100)
    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    connection = await asyncpg.connect(world.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM accounts WHERE account_id = $1 FOR UPDATE", player)
            posting_it = asyncio.create_task(post_once(world, round_id))
            await waiting(world, 1)
            taken = await connection.fetchval("SELECT nextval('transfer_id')")
        await posting_it
    finally:
        await connection.close()
    [prize] = await world.sql(
        "SELECT transfer_id FROM transfers WHERE credit_account_id = $1 AND kind = 2 AND round_id = $2",
        player,
        round_id,
    )
    assert prize["transfer_id"] > taken


async def uncapped_minor(world: World, ticket_id: str) -> int:
    """What a ticket would have been paid without the greatest payout; 0 where nothing was cut off."""
    response = await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=ticket_id))
    return int(response.ticket.payout_uncapped_minor)


async def test_a_ticket_wins_at_most_the_greatest_payout_of_its_round(world: World) -> None:
    player, till = await world.account(10_000), await world.account(floor_minor=-10_000)
    round_id = (await world.open(payout_max_minor=500)).round.round_id
    below, above = await bet(world, round_id, player, 100), await bet(world, round_id, player, 1_000)
    at_a_till = await bet(world, round_id, till, 400)
    asked = order(player, 150, 150)  # no line by itself goes beyond it
    assert verdicts(await world.place(round_id, asked)) == ["ACCEPTED"]
    settled = await world.settle(round_id)
    assert settled.round.payout_minor == 235 + 500 * 3
    for ticket, paid_minor, cut_minor in (
        (below, 235, 0),
        (above, 500, 2_350),
        (at_a_till, 500, 940),
        (asked.request_id, 500, 704),
    ):
        assert await standing(world, ticket) == ("WON", paid_minor)
        assert await uncapped_minor(world, ticket) == cut_minor
    assert await world.balance_minor(player) == 10_000 - 1_400 + 235 + 500 + 500
    paid = await world.stubs.tickets.PayTicket(pay(at_a_till, till))
    assert (paid.paid_minor, paid.ticket.payout_uncapped_minor) == (500, 940)
    await world.check_books()


async def test_a_corrected_result_pays_the_greatest_payout_too(world: World) -> None:
    player = await world.account(10_000)
    round_id = (await world.open(payout_max_minor=500)).round.round_id
    lost, won = await bet(world, round_id, player, 1_000), await bet(world, round_id, player, 1_000, runner=2)
    await world.settle(round_id)
    assert (await uncapped_minor(world, lost), await uncapped_minor(world, won)) == (2_350, 0)
    corrected = await world.correct(round_id, 2, 1, 3)
    assert corrected.round.payout_minor == 500
    assert (await standing(world, lost), await standing(world, won)) == (("LOST", 0), ("WON", 500))
    assert await uncapped_minor(world, lost) == 0
    assert await uncapped_minor(world, won) == 1_000 * PRICES[2] // 100
    assert await world.balance_minor(player) == 10_000 - 2_000 + 500
    await world.check_books()


async def test_what_is_given_back_for_a_withdrawn_runner_is_not_cut_off(world: World) -> None:
    player = await world.account(10_000)
    round_id = (await world.open(payout_max_minor=100)).round.round_id
    back = await bet(world, round_id, player, 700, runner=3)
    mixed = order(player, 200, 300)
    mixed.lines[1].runners[:] = [3]
    assert verdicts(await world.place(round_id, mixed)) == ["ACCEPTED"]
    await world.finish(round_id)
    request = world.settle_request(round_id, winner(1), winner(3, refund=True))
    decided = (await world.stubs.rounds.SettleRound(request)).stored
    assert decided.round.payout_minor == 700 + 300 + 100
    again = (await world.stubs.rounds.SettleRound(world.settle_request(round_id, *request.winners))).stored
    assert again.round.payout_minor == decided.round.payout_minor, "a repeat knows the refund again"
    other = world.settle_request(round_id, winner(1), winner(3))
    assert (await refused(world.stubs.rounds.SettleRound(other))).reason == "ROUND_PHASE"
    await world.post(round_id)
    assert await standing(world, back) == ("WON", 700)
    assert await standing(world, mixed.request_id) == ("WON", 400)
    assert await uncapped_minor(world, mixed.request_id) == 470 + 300
    assert await world.balance_minor(player) == 10_000 - 1_200 + 1_100
    assert await held_minor(world, ESCROW) == 0
    await world.check_books()


async def test_two_markets_of_one_runner_are_paid_each_by_its_own_winners(world: World) -> None:
    player = await world.account(10_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 100, 100)
    asked.lines[1].market = Line.PLACE
    assert verdicts(await world.place(round_id, asked)) == ["ACCEPTED"]
    await world.settle(round_id, winner(2), winner(2, market=Line.PLACE), winner(1, 1, 2, market=Line.PLACE))
    assert await standing(world, asked.request_id) == ("WON", 117)


async def test_a_second_settlement_is_refused_before_and_after_the_posting(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await bet(world, round_id, player, 100)
    await world.finish(round_id)
    decided = (await world.stubs.rounds.SettleRound(world.settle_request(round_id))).stored
    for _ in range(2):
        other = world.settle_request(round_id, winner(2))
        assert (await refused(world.stubs.rounds.SettleRound(other))).reason == "ROUND_PHASE"
        again = await world.stubs.rounds.SettleRound(world.settle_request(round_id))
        assert again.stored.round.payout_minor == decided.round.payout_minor
        await world.post(round_id)
    assert await world.balance_minor(player) == 1_135
    assert len(await world.sql("SELECT FROM settlements WHERE round_id = $1", round_id)) == 1


async def test_nothing_is_posted_where_nothing_was_decided(world: World) -> None:
    round_id = (await world.open()).round.round_id
    for expected, asked in (("ROUND_PHASE", round_id), ("ROUND_UNKNOWN", 999)):
        request = PostSettlementRequest(round_id=asked)
        assert (await refused(world.stubs.rounds.PostSettlement(request))).reason == expected


async def test_a_round_without_tickets_is_settled_and_void_at_once(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.finish(round_id)
    settled = (await world.stubs.rounds.SettleRound(world.settle_request(round_id))).stored
    assert (settled.round.phase, settled.posting) == (Round.SETTLED, False)
    voided = (await world.open()).round.round_id
    stored = (await world.stubs.rounds.VoidRound(world.void_request(voided))).stored
    assert (stored.round.phase, stored.posting) == (Round.VOID, False)
    for each in (round_id, voided):
        posted = await post_once(world, each)
        assert (posted.stored.posting, posted.chunks) == (False, 0)


async def test_cancelled_tickets_are_left_out(world: World) -> None:
    player = await world.account(1_000)
    for ends in ("settled", "void"):
        round_id = (await world.open()).round.round_id
        kept, taken_back = [await bet(world, round_id, player, 100) for _ in range(2)]
        await world.stubs.tickets.CancelTicket(cancel(taken_back))
        stored = await (world.settle(round_id) if ends == "settled" else world.void(round_id))
        assert stored.round.totals.tickets == 1
        assert await standing(world, taken_back) == ("CANCELLED", 100)
        assert await standing(world, kept) == (("WON", 235) if ends == "settled" else ("VOIDED", 100))
        assert await held_minor(world, ESCROW) == 0
    assert await world.balance_minor(player) == 1_135


async def test_a_round_whose_tickets_were_all_cancelled_is_settled_at_once(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.stubs.tickets.CancelTicket(cancel(await bet(world, round_id, player, 100)))
    await world.finish(round_id)
    settled = (await world.stubs.rounds.SettleRound(world.settle_request(round_id))).stored
    assert (settled.round.phase, settled.posting) == (Round.SETTLED, False)
    assert await world.balance_minor(player) == 1_000


@pytest.mark.usefixtures("small_chunks")
async def test_the_tickets_of_a_void_round_are_void_at_once_and_refunded_in_chunks(world: World) -> None:
    player, till = await world.account(1_000), await world.account(floor_minor=-1_000)
    round_id = (await world.open()).round.round_id
    tickets = [await bet(world, round_id, buyer, 100) for buyer in (player, till, player)]
    voided = (await world.stubs.rounds.VoidRound(world.void_request(round_id))).stored
    assert (voided.round.phase, voided.posting) == (Round.VOID, True)
    for chunk in range(3):
        assert [await standing(world, each) for each in tickets] == [("VOIDED", 100)] * 3
        await world.check_books()
        assert (await post_once(world, round_id)).chunks_posted == min(chunk + 1, 2)
    assert await world.balance_minor(player) == 1_000
    assert await world.balance_minor(till) == -100, "the till keeps its account until it hands the stake out"
    assert await held_minor(world, PRIZES) == 100
    await world.stubs.tickets.PayTicket(pay(tickets[1], till))
    assert await world.balance_minor(till) == 0
    assert await standing(world, tickets[1]) == ("PAID", 100)


@pytest.mark.usefixtures("small_chunks")
async def test_nothing_is_decided_while_money_is_moving(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    for _ in range(4):
        await bet(world, round_id, player, 100)
    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    await post_once(world, round_id)
    assert (await refused(world.stubs.rounds.VoidRound(world.void_request(round_id)))).reason == "ROUND_PHASE"
    correction = world.correct_request(round_id, 2, 1, 3)
    assert (await refused(world.stubs.rounds.CorrectResult(correction))).reason == "ROUND_PHASE"
    await world.post(round_id)
    assert (await world.stubs.rounds.CorrectResult(correction)).stored.posting
    await post_once(world, round_id)
    other = world.correct_request(round_id, 3, 1, 2)
    assert (await refused(world.stubs.rounds.CorrectResult(other))).reason == "ROUND_PHASE"
    await world.post(round_id)
    assert await world.balance_minor(player) == 600


async def test_settle_void_and_correct_at_once_leave_one_whole_history(world: World) -> None:
    for _ in range(3):
        player = await world.account(1_000)
        round_id = (await world.open()).round.round_id
        await bet(world, round_id, player, 100)
        await world.finish(round_id)
        calls = [
            world.stubs.rounds.SettleRound(world.settle_request(round_id)),
            world.stubs.rounds.VoidRound(world.void_request(round_id)),
            world.stubs.rounds.PostSettlement(PostSettlementRequest(round_id=round_id)),
            world.stubs.rounds.CorrectResult(world.correct_request(round_id, 2, 1, 3)),
            world.stubs.rounds.PostSettlement(PostSettlementRequest(round_id=round_id)),
        ]
        await asyncio.gather(*calls, return_exceptions=True)
        stored = await world.post(round_id)
        assert stored.round.phase == Round.SETTLED
        assert await world.balance_minor(player) == (900 if stored.round.correction_reason else 1_135)
        await world.check_books()


async def test_batches_of_the_same_accounts_on_another_track_and_a_posting_never_deadlock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: 5)
    players = [await world.account(100_000) for _ in range(20)]
    round_id = (await world.open()).round.round_id
    for _ in range(15):
        await world.place(round_id, *(order(player, 10, runner=1 + n % 2) for n, player in enumerate(players)))
    elsewhere = World(world.stubs, world.database_url)
    elsewhere.track = "hill-top"
    await elsewhere.found()
    other_id = (await elsewhere.open()).round.round_id
    placed = 0

    async def place_on(step: int) -> None:
        nonlocal placed
        while not settled.done():
            asked = [order(player, 1) for player in players[::step]]
            assert set(verdicts(await elsewhere.place(other_id, *asked))) == {"ACCEPTED"}
            placed += len(asked)

    await world.finish(round_id)
    await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    settled = asyncio.create_task(world.post(round_id))
    async with asyncio.timeout(30):
        await asyncio.gather(settled, *(place_on(step) for step in (1, -1, 3, -3)))
    total = sum([await world.balance_minor(player) for player in players])
    assert total == 20 * 100_000 - 300 * 10 + 150 * 23 - placed
    deadlocks = await world.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks[0]["deadlocks"] == 0


# ---- corrections -----------------------------------------------------------------------------------------------------


async def test_a_correction_takes_the_wrong_prizes_back_and_pays_the_right_ones(world: World) -> None:
    wrong, right, neither = [await world.account(1_000) for _ in range(3)]
    round_id = (await world.open()).round.round_id
    tickets = [await bet(world, round_id, buyer, 100, runner=n) for n, buyer in enumerate((wrong, right, neither), 1)]
    settled = await world.settle(round_id)
    corrected = await world.correct(round_id, 2, 1, 3)
    assert [await standing(world, each) for each in tickets] == [("LOST", 0), ("WON", PRICES[2]), ("LOST", 0)]
    assert [await world.balance_minor(each) for each in (wrong, right, neither)] == [900, 900 + PRICES[2], 900]
    assert await held_minor(world, HOUSE) == 300 - PRICES[2]
    assert await held_minor(world, ESCROW) == 0
    assert list(corrected.round.result) == [2, 1, 3]
    assert (corrected.round.phase, corrected.round.payout_minor) == (Round.SETTLED, PRICES[2])
    assert corrected.round.correction_reason == "photo finish"
    assert (corrected.round.revision, corrected.round.transition_seq) == (
        settled.round.revision + 1,
        settled.round.transition_seq + 1,
    )
    past = await world.stubs.rounds.ListTransitions(ListTransitionsRequest(track=world.track, after=5, page_size=9))
    assert [(list(each.round.result), each.posting) for each in past.transitions] == [([2, 1, 3], True)]
    audit = await world.sql("SELECT action, subject, actor, reason FROM audit")
    assert [tuple(row) for row in audit] == [("correct result", str(round_id), "operator", "photo finish")]


async def test_what_an_operator_voids_is_in_the_audit_and_what_the_rule_voids_is_not(world: World) -> None:
    for epoch in (0, world.epoch):
        round_id = (await world.open()).round.round_id
        await world.stubs.rounds.VoidRound(world.void_request(round_id, epoch=epoch))
    assert [row["action"] for row in await world.sql("SELECT action FROM audit")] == ["void round"]


@pytest.mark.parametrize("per_chunk", [1, 2])
async def test_where_a_chunk_ends_makes_no_difference_to_what_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch, per_chunk: int
) -> None:
    monkeypatch.setattr(deciding, "chunk_tickets", lambda tickets, tickets_paid: per_chunk)
    player = await world.account(200)
    round_id = (await world.open()).round.round_id
    for runner in (1, 2):
        await bet(world, round_id, player, 100, runner=runner)
    await world.settle(round_id)
    await world.stubs.ledger.PayOutAccount(pay_out(player, PRICES[1]))
    await world.correct(round_id, 2, 1, 3)
    assert await world.balance_minor(player) == PRICES[2] - PRICES[1], "the right prize is there before the wrong goes"
    await world.check_books()


async def test_a_correction_is_made_once_however_often_it_is_asked_for(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await bet(world, round_id, player, 100)
    await world.settle(round_id)
    request = world.correct_request(round_id, 2, 1, 3)
    first = await world.stubs.rounds.CorrectResult(request)
    answers = await asyncio.gather(*(world.stubs.rounds.CorrectResult(request) for _ in range(5)))
    assert all(answer == first for answer in answers)
    await world.post(round_id)
    again = await world.stubs.rounds.CorrectResult(world.correct_request(round_id, 2, 1, 3, reason="once more"))
    assert again.stored.round.correction_reason == "photo finish", "the same result is no correction"
    request.reason = "another"
    assert (await refused(world.stubs.rounds.CorrectResult(request))).reason == "REQUEST_REUSED"
    assert await world.balance_minor(player) == 900
    assert len(await world.sql("SELECT FROM settlements")) == 2


@pytest.mark.parametrize("result", [(1, 2), (1, 2, 4), (1, 2, 2)])
async def test_a_correction_to_what_is_no_order_of_the_runners_is_refused(
    world: World, result: tuple[int, ...]
) -> None:
    round_id = (await world.open()).round.round_id
    await world.settle(round_id)
    told = await refused(world.stubs.rounds.CorrectResult(world.correct_request(round_id, *result)))
    assert (told.reason, told.fields) == ("MALFORMED", ["result"])


async def test_only_a_settled_round_is_corrected(world: World) -> None:
    round_id = (await world.open()).round.round_id

    async def reason() -> str:
        return (await refused(world.stubs.rounds.CorrectResult(world.correct_request(round_id, 2, 1, 3)))).reason

    assert await reason() == "ROUND_PHASE"
    await world.finish(round_id)
    assert await reason() == "ROUND_PHASE"
    round_id = (await world.open()).round.round_id
    await world.void(round_id)
    assert await reason() == "ROUND_PHASE"
    round_id = 999
    assert await reason() == "ROUND_UNKNOWN"


async def test_the_house_bears_what_a_player_has_spent(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    ticket = await bet(world, round_id, player, 100)
    await world.settle(round_id)
    await world.stubs.ledger.PayOutAccount(pay_out(player, 1_000))
    await world.correct(round_id, 2, 1, 3)
    assert await world.balance_minor(player) == 0
    assert await held_minor(world, HOUSE) == 100 - 235 + 135
    assert await standing(world, ticket) == ("LOST", 0)
    stored = (await world.stubs.rounds.GetRound(GetRoundRequest(round_id=round_id))).stored
    assert (stored.posting, stored.round.payout_minor) == (False, 0)


async def test_a_result_that_is_corrected_back_pays_as_at_first(world: World) -> None:
    first, second = await world.account(1_000), await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await bet(world, round_id, first, 100, runner=1)
    await bet(world, round_id, second, 100, runner=2)
    await world.settle(round_id)
    balances = [await world.balance_minor(each) for each in (first, second)]
    for _ in range(2):
        await world.correct(round_id, 2, 1, 3)
        await world.correct(round_id, 1, 2, 3)
        assert [await world.balance_minor(each) for each in (first, second)] == balances
    assert await held_minor(world, HOUSE) == 200 - 235


async def test_at_a_till_only_what_was_not_handed_out_is_taken_back(world: World) -> None:
    till = await world.account(floor_minor=-10_000)
    round_id = (await world.open()).round.round_id
    claimed, unclaimed, late = [await bet(world, round_id, till, 100, runner=n) for n in (1, 1, 2)]
    await world.settle(round_id)
    await world.stubs.tickets.PayTicket(pay(claimed, till))
    await world.correct(round_id, 2, 1, 3)
    assert await standing(world, claimed) == ("PAID", 235)
    assert await standing(world, unclaimed) == ("LOST", 0)
    assert await standing(world, late) == ("WON", PRICES[2])
    assert await held_minor(world, PRIZES) == PRICES[2]
    assert (await refused(world.stubs.tickets.PayTicket(pay(unclaimed, till)))).reason == "TICKET_STATE"
    await world.stubs.tickets.PayTicket(pay(late, till))
    assert await held_minor(world, PRIZES) == 0


async def test_a_till_s_ticket_that_wins_more_than_was_handed_out_can_claim_the_difference(world: World) -> None:
    till = await world.account(floor_minor=-10_000)
    round_id = (await world.open()).round.round_id
    asked = order(till, 100, 100)
    asked.lines[1].runners[:] = [2]
    asked.lines[1].price_hundredths = PRICES[2]
    await world.place(round_id, asked)
    await world.settle(round_id)
    await world.stubs.tickets.PayTicket(pay(asked.request_id, till))
    await world.correct(round_id, 2, 1, 3)
    assert await standing(world, asked.request_id) == ("WON", PRICES[2])
    assert await held_minor(world, PRIZES) == PRICES[2] - 235
    await world.correct(round_id, 1, 2, 3)
    assert await standing(world, asked.request_id) == ("PAID", 235)
    assert await held_minor(world, PRIZES) == 0
    await world.correct(round_id, 2, 3, 1)
    await world.stubs.tickets.PayTicket(pay(asked.request_id, till))
    assert await standing(world, asked.request_id) == ("PAID", PRICES[2])
    assert await world.balance_minor(till) == PRICES[2] - 200


@pytest.mark.usefixtures("small_chunks")
async def test_a_payout_at_a_till_and_a_correction_at_once_pay_or_take_back_once(world: World) -> None:
    till = await world.account(floor_minor=-10_000)
    round_id = (await world.open()).round.round_id
    tickets = [await bet(world, round_id, till, 100) for _ in range(8)]
    await world.settle(round_id)
    await world.stubs.rounds.CorrectResult(world.correct_request(round_id, 2, 1, 3))
    calls = [world.stubs.tickets.PayTicket(pay(ticket, till)) for ticket in reversed(tickets)]
    *_, stored = await asyncio.gather(*calls, world.post(round_id), return_exceptions=True)
    assert not getattr(stored, "posting", True)
    states = await standings(world, tickets)
    assert set(states) <= {"PAID", "LOST"}
    assert await world.balance_minor(till) == -800 + 235 * states.count("PAID")
    assert await held_minor(world, PRIZES) == 0


async def test_a_till_that_waits_for_a_correction_pays_what_that_leaves_to_claim(world: World) -> None:
    till = await world.account(floor_minor=-10_000)
    round_id = (await world.open()).round.round_id
    asked = order(till, 100, 100)
    asked.lines[1].runners[:] = [2]
    asked.lines[1].price_hundredths = PRICES[2]
    await world.place(round_id, asked)
    await world.settle(round_id)
    await world.stubs.rounds.CorrectResult(world.correct_request(round_id, 2, 1, 3))
    house = await asyncpg.connect(world.database_url)
    try:
        async with house.transaction():  # the correction waits here with the old claim in its hands
            await house.execute("SELECT FROM accounts WHERE kind = $1 FOR UPDATE", HOUSE)
            correcting = asyncio.create_task(world.post(round_id))
            await waiting(world, 1)
            paying = asyncio.create_task(pay_at_till(world, asked.request_id, till))
            await waiting(world, 2)
        await correcting
        assert await paying == PRICES[2]
    finally:
        await house.close()
    assert await standing(world, asked.request_id) == ("PAID", PRICES[2])
    assert await held_minor(world, PRIZES) == 0


async def pay_at_till(world: World, ticket_id: str, till: str) -> int:
    return int((await world.stubs.tickets.PayTicket(pay(ticket_id, till))).paid_minor)


async def waiting(world: World, statements: int) -> None:
    """Wait until so many statements wait for a lock."""

    async def waits() -> bool:
        rows = await world.sql(
            """SELECT FROM pg_stat_activity
               WHERE datname = current_database() AND state = 'active' AND wait_event_type = 'Lock'"""
        )
        return len(rows) == statements

    await eventually(waits)


async def test_a_round_whose_tickets_are_in_the_archive_is_not_corrected(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    ticket = await bet(world, round_id, player, 100)
    await world.settle(round_id)
    await world.sql("ALTER TABLE tickets DETACH PARTITION tickets_rounds_0")
    told = await refused(world.stubs.rounds.CorrectResult(world.correct_request(round_id, 2, 1, 3)))
    assert told.reason == "ROUND_PHASE"
    await world.sql("ALTER TABLE tickets ATTACH PARTITION tickets_rounds_0 FOR VALUES FROM (1) TO (10000)")
    await world.correct(round_id, 2, 1, 3)
    assert await standing(world, ticket) == ("LOST", 0)
    assert await world.balance_minor(player) == 900
