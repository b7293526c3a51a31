"""Money that people move by hand, statements and trial balances, over a real database."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account, Transfer
from furlong.persist.v1.ledger_service_pb2 import GetTrialBalanceRequest, ListTransfersRequest

from services.persist.adapters.postgres.statements import READ_STATEMENT
from services.persist.adapters.postgres.tickets import READ_PAGE
from services.persist.service.paging import token_for
from tests.bookkeeping import adjust, block, cancel, pay_out, statement, trial_balance
from tests.persisting import World, order, verdicts
from tests.served import refused

TYPES = "uuid, bigint, bigint"


async def test_money_is_paid_out_once_and_down_to_the_floor(world: World) -> None:
    ledger, player = world.stubs.ledger, await world.account(500)
    request = pay_out(player, 400)
    first = await ledger.PayOutAccount(request)
    assert first.account.balance_minor == 100
    assert await ledger.PayOutAccount(request) == first
    assert (await refused(ledger.PayOutAccount(pay_out(player, 101)))).reason == "FUNDS_MISSING"
    assert (await ledger.PayOutAccount(pay_out(player, 100))).account.balance_minor == 0
    till = await world.account(floor_minor=-50)
    assert (await ledger.PayOutAccount(pay_out(till, 50))).account.balance_minor == -50
    assert (await refused(ledger.PayOutAccount(pay_out(till, 1)))).reason == "FUNDS_MISSING"


async def test_an_adjustment_moves_money_from_and_to_the_house(world: World) -> None:
    ledger, player = world.stubs.ledger, await world.account(500)
    request = adjust(player, 70)
    first = await ledger.AdjustAccount(request)
    assert first.account.balance_minor == 570
    assert await ledger.AdjustAccount(request) == first
    assert (await ledger.AdjustAccount(adjust(player, -570))).account.balance_minor == 0
    assert (await refused(ledger.AdjustAccount(adjust(player, -1)))).reason == "FUNDS_MISSING"
    house = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 3")
    assert house[0]["balance_minor"] == 500


async def test_a_blocked_account_gives_nothing_out_and_still_takes_money_in(world: World) -> None:
    ledger, player = world.stubs.ledger, await world.account(500)
    request = block(player)
    answer = await ledger.SetAccountBlocked(request)
    assert answer.account.blocked
    assert (await refused(ledger.PayOutAccount(pay_out(player, 1)))).reason == "ACCOUNT_STOPPED"
    round_id = (await world.open()).round.round_id
    assert verdicts(await world.place(round_id, order(player, 10))) == ["ACCOUNT_BLOCKED"]
    await world.credit(player, 10)
    assert (await ledger.AdjustAccount(adjust(player, -110))).account.balance_minor == 400
    assert not (await ledger.SetAccountBlocked(block(player, blocked=False))).account.blocked
    assert await ledger.SetAccountBlocked(request) == answer  # the first answer again; the account is not blocked anew
    assert verdicts(await world.place(round_id, order(player, 10))) == ["ACCEPTED"]
    assert (await ledger.PayOutAccount(pay_out(player, 390))).account.balance_minor == 0


@pytest.mark.parametrize(
    ("method", "request_", "changes"),
    [
        ("PayOutAccount", pay_out, {"reason": "another"}),
        ("AdjustAccount", adjust, {"amount_minor": 2}),
        ("SetAccountBlocked", block, {"blocked": False}),
    ],
)
async def test_an_id_that_comes_back_with_another_content_is_refused(
    world: World, method: str, request_: Any, changes: dict[str, Any]
) -> None:
    player = await world.account(500)
    request = request_(player, 1)
    await getattr(world.stubs.ledger, method)(request)
    for field, value in changes.items():
        setattr(request, field, value)
    assert (await refused(getattr(world.stubs.ledger, method)(request))).reason == "REQUEST_REUSED"


@pytest.mark.parametrize(("method", "request_"), [("PayOutAccount", pay_out), ("AdjustAccount", adjust)])
async def test_the_same_request_many_times_at_once_moves_money_once(world: World, method: str, request_: Any) -> None:
    player = await world.account(500)
    request = request_(player, 7)
    answers = await asyncio.gather(*(getattr(world.stubs.ledger, method)(request) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert await world.balance_minor(player) == answers[0].account.balance_minor


async def test_accounts_of_the_system_and_accounts_that_are_not_there_are_refused(world: World) -> None:
    ledger = world.stubs.ledger
    system = await world.sql("SELECT account_id::text FROM accounts WHERE kind > 2")
    assert len(system) == 3
    for account_id, reason in [(uuid7(), "ACCOUNT_UNKNOWN"), *((row["account_id"], "ACCOUNT_KIND") for row in system)]:
        assert (await refused(ledger.PayOutAccount(pay_out(account_id, 1)))).reason == reason
        assert (await refused(ledger.AdjustAccount(adjust(account_id, 1)))).reason == reason
        assert (await refused(ledger.SetAccountBlocked(block(account_id)))).reason == reason


async def test_payouts_at_once_stop_at_the_floor(world: World) -> None:
    player = await world.account(100)
    answers = await asyncio.gather(
        *(world.stubs.ledger.PayOutAccount(pay_out(player, 30)) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 3
    assert await world.balance_minor(player) == 10


async def test_adjusting_and_placing_at_once_keep_the_books(world: World) -> None:
    players = [await world.account(1_000) for _ in range(4)]
    round_id = (await world.open()).round.round_id
    await asyncio.gather(
        *(world.stubs.ledger.AdjustAccount(adjust(player, 3)) for player in players for _ in range(10)),
        *(world.stubs.ledger.AdjustAccount(adjust(player, -2)) for player in players for _ in range(10)),
        *(world.place(round_id, *(order(player, 5) for player in players)) for _ in range(20)),
    )
    assert [await world.balance_minor(player) for player in players] == [1_000 + 30 - 20 - 100] * 4
    await trial_balance(world.stubs)


async def test_a_statement_tells_every_movement_with_the_balance_after_it(world: World) -> None:
    ledger, player = world.stubs.ledger, await world.account(500)
    round_id = (await world.open()).round.round_id
    ticket = order(player, 100)
    await world.place(round_id, ticket)
    await world.settle(round_id)
    payout, adjustment = pay_out(player, 600), adjust(player, 5)
    await ledger.PayOutAccount(payout)
    await ledger.AdjustAccount(adjustment)

    lines = await statement(world.stubs, player)

    kinds = [Transfer.Kind.Name(line.kind) for line in lines]
    assert kinds == ["ADJUSTMENT", "PAYOUT", "PRIZE", "STAKE", "CREDIT"]
    assert [line.amount_minor for line in lines] == [5, -600, 235, -100, 500]
    assert [line.balance_minor for line in lines] == [40, 35, 635, 400, 500]
    assert [line.round_id for line in lines] == [0, 0, round_id, round_id, 0]
    assert [line.reference for line in lines[:4]] == [
        *(adjustment.request_id, payout.request_id),
        *(ticket.request_id, ticket.request_id),
    ]
    assert [(line.reason, line.actor) for line in lines[:3]] == [
        ("typed wrong", "operator"),
        ("cash", "till 1"),
        ("", ""),
    ]
    assert len({line.other_account_id for line in lines}) == 3  # the house, cash, and the escrow
    assert [line.transfer_id for line in lines] == sorted((line.transfer_id for line in lines), reverse=True)


async def test_pages_of_a_statement_fit_together_whatever_moves_meanwhile(world: World) -> None:
    ledger, player = world.stubs.ledger, await world.account(100)
    for n in range(1, 8):
        await world.credit(player, n)
    first = await ledger.ListTransfers(ListTransfersRequest(account_id=player, page_size=3))
    await world.credit(player, 1_000)
    rest = await ledger.ListTransfers(
        ListTransfersRequest(account_id=player, page_size=500, page_token=first.next_page_token)
    )
    assert [line.balance_minor for line in (*first.transfers, *rest.transfers)] == [
        128,
        121,
        115,
        110,
        106,
        103,
        101,
        100,
    ]
    assert rest.next_page_token == ""
    assert await statement(world.stubs, player, 1) == await statement(world.stubs, player)


async def test_statements_that_are_read_while_money_moves_leave_nothing_out(world: World) -> None:
    """The balance after the oldest movement is that movement alone, or something in between is missing."""
    ledger, player = world.stubs.ledger, await world.account(500)
    round_id = (await world.open()).round.round_id

    async def bet_and_think_again() -> None:
        ticket = order(player, 3)
        await world.place(round_id, ticket)
        await world.stubs.tickets.CancelTicket(cancel(ticket.request_id))

    async def look() -> None:
        for size in (1, 2, 500):
            lines = await statement(world.stubs, player, size)
            assert lines[-1].balance_minor == lines[-1].amount_minor == 500
            assert min(line.balance_minor for line in lines) >= 0

    await asyncio.gather(
        *(bet_and_think_again() for _ in range(20)),
        *(ledger.PayOutAccount(pay_out(player, 1)) for _ in range(10)),
        *(world.credit(player, 1) for _ in range(10)),
        *(look() for _ in range(6)),
    )
    assert (await statement(world.stubs, player))[0].balance_minor == 500


async def test_a_statement_is_asked_for_in_vain(world: World) -> None:
    ledger = world.stubs.ledger
    nobody = ListTransfersRequest(account_id=uuid7(), page_size=1)
    assert (await refused(ledger.ListTransfers(nobody))).reason == "ACCOUNT_UNKNOWN"
    assert await statement(world.stubs, await world.account()) == []
    prizes = await world.sql("SELECT account_id::text FROM accounts WHERE kind = 6")
    of_prizes = ListTransfersRequest(account_id=prizes[0]["account_id"], page_size=1)
    assert (await refused(ledger.ListTransfers(of_prizes))).reason == "ACCOUNT_KIND"
    player = await world.account(5)
    for token in ("x", "1.2", token_for("1"), token_for("1.2.3"), token_for("1.x"), token_for("1." + "9" * 19)):
        request = ListTransfersRequest(account_id=player, page_size=1, page_token=token)
        assert (await refused(ledger.ListTransfers(request))).fields == ["page_token"]


async def test_the_house_has_a_statement_too(world: World) -> None:
    player = await world.account(500)
    for amount_minor in (30, -10, 7):
        await world.stubs.ledger.AdjustAccount(adjust(player, amount_minor))
    house = await world.sql("SELECT account_id::text FROM accounts WHERE kind = 3")
    lines = await statement(world.stubs, house[0]["account_id"], 2)
    assert [(line.amount_minor, line.balance_minor) for line in lines] == [(-7, -27), (10, -20), (-30, -30)]


async def test_a_trial_balance_adds_up_all_accounts_by_kind_and_currency(world: World) -> None:
    await world.account(500)
    till = await world.account(floor_minor=-1_000)
    await world.account(70, currency="USD")
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(till, 200))

    found = await trial_balance(world.stubs)

    assert {
        (row.currency, Account.Kind.Name(row.kind)): (
            row.accounts,
            row.debit_minor,
            row.credit_minor,
            row.balance_minor,
        )
        for row in found.rows
    } == {
        ("EUR", "PLAYER"): (1, 0, 500, 500),
        ("EUR", "CASHIER"): (1, 200, 0, -200),
        ("EUR", "HOUSE"): (1, 0, 0, 0),
        ("EUR", "ESCROW"): (1, 0, 200, 200),
        ("EUR", "CASH"): (1, 500, 0, -500),
        ("EUR", "PRIZES"): (1, 0, 0, 0),
        ("USD", "PLAYER"): (1, 0, 70, 70),
        ("USD", "HOUSE"): (1, 0, 0, 0),
        ("USD", "CASH"): (1, 70, 0, -70),
        ("USD", "PRIZES"): (1, 0, 0, 0),
    }
    assert [(row.currency, row.kind) for row in found.rows] == sorted((row.currency, row.kind) for row in found.rows)


async def test_a_trial_balance_of_a_round_adds_up_what_its_transfers_changed(world: World) -> None:
    players = [await world.account(500) for _ in range(2)]
    round_id = (await world.open()).round.round_id
    empty = await trial_balance(world.stubs, round_id)
    assert list(empty.rows) == []
    assert empty.HasField("as_of")
    await world.place(round_id, order(players[0], 100), order(players[1], 60, runner=2))
    await world.settle(round_id)

    found = await trial_balance(world.stubs, round_id)

    assert [
        (Account.Kind.Name(row.kind), row.accounts, row.debit_minor, row.credit_minor, row.balance_minor)
        for row in found.rows
    ] == [("PLAYER", 2, 160, 235, 75), ("HOUSE", 1, 75, 0, -75), ("ESCROW", 1, 235, 235, 0)]
    nowhere = GetTrialBalanceRequest(round_id=round_id + 1)
    assert (await refused(world.stubs.ledger.GetTrialBalance(nowhere))).reason == "ROUND_UNKNOWN"


async def test_trial_balances_are_of_one_moment_while_money_moves(world: World) -> None:
    players = [await world.account(1_000) for _ in range(3)]
    round_id = (await world.open()).round.round_id
    await asyncio.gather(
        *(world.place(round_id, *(order(player, 1) for player in players)) for _ in range(30)),
        *(trial_balance(world.stubs) for _ in range(20)),
        *(trial_balance(world.stubs, round_id) for _ in range(20)),
    )


@pytest.mark.parametrize("query", [READ_STATEMENT, READ_PAGE], ids=["statement", "tickets"])
async def test_a_page_is_read_along_the_indexes_whatever_lies_in_the_history(world: World, query: str) -> None:
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute("SET enable_seqscan = off")  # a table of a few rows is no history
        await connection.execute(f"PREPARE page ({TYPES}) AS {query}")
        rows = await connection.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE page ('{uuid7()}', 100, 10)")
    finally:
        await connection.close()
    (plan,) = json.loads(rows[0][0])
    nodes = list(below(plan["Plan"]))
    assert any("debit_account_id_transfer_id" in node.get("Index Name", "") for node in nodes)
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    for sort in (node for node in nodes if node["Node Type"].endswith("Sort")):
        assert all(is_bounded(node) for node in sort["Plans"]), "a sort reads the whole history"


def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield node
    for child in node.get("Plans", ()):
        yield from below(child)


def is_bounded(node: dict[str, Any]) -> bool:
    """Tell whether a limit stands between a node and all tables that it reads."""
    if node["Node Type"] == "Limit" or node.get("Relation Name") == "accounts":
        return True
    return bool(node.get("Plans")) and all(is_bounded(child) for child in node["Plans"])
