"""AppendTickets over a real database: verdicts, money and repeats."""

import asyncio
import time

import asyncpg
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest, ListTicketsRequest

from services.persist.adapters.postgres.placing import READ_ROUND_AND_KEYS
from tests.persisting import PRICES, Verdict, World, order, persisting, verdicts
from tests.served import refused


async def test_an_accepted_ticket_is_stored_and_paid_for(world: World) -> None:
    player = await world.account(1_000)
    opened = await world.open()
    asked = order(player, 300, 200)
    response = await world.append(opened.round.round_id, asked)
    assert verdicts(response.verdicts) == ["ACCEPTED"]
    assert (response.totals.tickets, response.totals.stake_minor, response.currency) == (1, 500, "EUR")
    assert await world.balance_minor(player) == 500
    ticket = (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=asked.request_id))).ticket
    assert (ticket.stake_minor, list(ticket.lines), ticket.currency) == (500, list(asked.lines), "EUR")
    assert ticket.placed_at == response.verdicts[0].placed_at
    assert ticket.state == ticket.ACCEPTED


async def test_a_repeat_gets_the_same_answer_and_takes_no_money_again(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    good, poor = order(player, 600), order(player, 600)
    assert verdicts(await world.place(round_id, good, poor)) == ["ACCEPTED", "INSUFFICIENT_FUNDS"]
    await world.credit(player, 10_000)
    again = await world.place(round_id, good, poor)
    assert verdicts(again) == ["ACCEPTED*", "INSUFFICIENT_FUNDS*"]
    assert again[0].ticket.ticket_id == good.request_id
    assert list(again[0].ticket.lines) == list(good.lines)
    assert await world.balance_minor(player) == 10_400


async def test_a_repeat_after_the_settlement_is_byte_for_byte_the_one_before_it(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 600)
    await world.place(round_id, asked)
    before = (await world.place(round_id, asked))[0].SerializeToString(deterministic=True)
    await world.settle(round_id)
    assert (await world.place(round_id, asked))[0].SerializeToString(deterministic=True) == before


async def test_an_id_with_another_content_is_refused_and_keeps_its_first_answer(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    first = order(player, 100)
    other = order(player, 200, request_id=first.request_id)
    assert verdicts(await world.place(round_id, first, other)) == ["ACCEPTED", "REQUEST_ID_REUSED"]
    assert verdicts(await world.place(round_id, other, first)) == ["REQUEST_ID_REUSED", "ACCEPTED*"]
    assert await world.balance_minor(player) == 900


async def test_an_id_twice_in_one_call_is_placed_once(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 100)
    assert verdicts(await world.place(round_id, asked, asked)) == ["ACCEPTED", "ACCEPTED*"]
    assert await world.balance_minor(player) == 900


async def test_every_refusal_of_the_store_is_told_and_kept(world: World) -> None:
    player = await world.account(1_000)
    dollars = await world.account(1_000, currency="USD")
    blocked = await world.account(1_000)
    await world.sql("UPDATE accounts SET blocked = true WHERE account_id = $1", blocked)
    escrow = (await world.sql("SELECT gen_random_uuid()::text AS nobody"))[0]["nobody"]
    opened = await world.open()
    asked = [
        order(escrow, 100),
        order(dollars, 100),
        order(blocked, 100),
        order(player, 1_001),
        order(player, 1, refusal=Verdict.PRICE_CHANGED),
        order(player, 1, request_id=uuid7(now_ms=1_000_000)),
    ]
    wanted = [
        "ACCOUNT_NOT_FOUND",
        "ACCOUNT_NOT_FOUND",
        "ACCOUNT_BLOCKED",
        "INSUFFICIENT_FUNDS",
        "PRICE_CHANGED",
        "REQUEST_ID_EXPIRED",
    ]
    first = await world.place(opened.round.round_id, *asked)
    assert verdicts(first) == wanted
    assert "USD" in first[1].reason
    again = await world.place(opened.round.round_id, *asked)
    assert verdicts(again)[:-1] == [f"{name}*" for name in wanted[:-1]]
    assert [answer.reason for answer in again] == [answer.reason for answer in first]


async def test_no_account_of_the_system_pays_for_tickets(world: World) -> None:
    opened = await world.open()
    accounts = await world.sql("SELECT account_id::text FROM accounts WHERE kind IN (3, 4, 5)")
    asked = [order(row["account_id"], 1) for row in accounts]
    assert verdicts(await world.place(opened.round.round_id, *asked)) == ["ACCOUNT_NOT_FOUND"] * 3


async def test_an_unknown_round_is_a_verdict_and_no_error(world: World) -> None:
    player = await world.account(1_000)
    asked = order(player, 100)
    response = await world.append(999, asked)
    assert verdicts(response.verdicts) == ["ROUND_NOT_FOUND"]
    assert not response.HasField("totals")
    assert response.currency == ""
    assert verdicts(await world.place(999, asked)) == ["ROUND_NOT_FOUND*"]


async def test_a_ticket_after_the_lock_is_refused(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.lock(round_id)
    assert verdicts(await world.place(round_id, order(player, 100))) == ["BETTING_CLOSED"]


async def test_a_ticket_after_locks_at_is_refused_although_nobody_has_locked_yet(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.let_time_pass(round_id)
    assert verdicts(await world.place(round_id, order(player, 100))) == ["BETTING_CLOSED"]


async def test_a_till_sells_down_to_its_floor(world: World) -> None:
    till = await world.account(floor_minor=-500)
    round_id = (await world.open()).round.round_id
    assert verdicts(await world.place(round_id, order(till, 500), order(till, 1))) == [
        "ACCEPTED",
        "INSUFFICIENT_FUNDS",
    ]


async def test_the_same_id_at_two_writers_at_once_becomes_one_ticket(world: World) -> None:
    player = await world.account(100_000)
    round_id = (await world.open()).round.round_id
    async with persisting(world.database_url) as stubs:
        other = World(stubs, world.database_url)
        asked = [order(player, 100) for _ in range(20)]
        both = await asyncio.gather(
            *(each.place(round_id, *asked) for each in (world, other)),
            *(each.place(round_id, *reversed(asked)) for each in (world, other)),
        )
    fresh = [answer for answers in both for answer in verdicts(answers) if answer == "ACCEPTED"]
    repeats = [answer for answers in both for answer in verdicts(answers) if answer == "ACCEPTED*"]
    assert (len(fresh), len(repeats)) == (20, 60)
    assert await world.balance_minor(player) == 98_000


async def test_one_id_with_two_contents_at_two_writers_gets_one_ticket(world: World) -> None:
    players = [await world.account(1_000) for _ in range(2)]
    round_id = (await world.open()).round.round_id
    async with persisting(world.database_url) as stubs:
        other = World(stubs, world.database_url)
        for _ in range(20):
            request_id = uuid7()
            answers = await asyncio.gather(
                world.place(round_id, order(players[0], 1, request_id=request_id)),
                other.place(round_id, order(players[1], 1, request_id=request_id)),
            )
            assert sorted(verdicts([each for (each,) in answers])) == ["ACCEPTED", "REQUEST_ID_REUSED"]


async def test_many_calls_at_once_share_commits(world: World) -> None:
    player = await world.account(100_000)
    round_id = (await world.open()).round.round_id
    answers = await asyncio.gather(*(world.place(round_id, order(player, 1)) for _ in range(300)))
    assert {name for each in answers for name in verdicts(each)} == {"ACCEPTED"}
    batches = await world.sql("SELECT count(*)::int AS count, sum(tickets)::int AS tickets FROM batches")
    assert batches[0]["tickets"] == 300
    assert batches[0]["count"] < 150


async def test_no_ticket_commits_after_the_lock_with_batches_in_flight(world: World) -> None:
    player = await world.account(1_000_000)
    round_id = (await world.open()).round.round_id
    async with persisting(world.database_url) as stubs:
        other = World(stubs, world.database_url)

        async def bet(through: World) -> int:
            accepted = 0
            while True:
                answers = await through.place(round_id, *(order(player, 1) for _ in range(10)))
                accepted += verdicts(answers).count("ACCEPTED")
                if "BETTING_CLOSED" in verdicts(answers):
                    return accepted

        bettors = [asyncio.create_task(bet(through)) for through in (world, other) for _ in range(3)]
        await asyncio.sleep(0.2)
        locked = await world.lock(round_id)
        accepted = sum(await asyncio.gather(*bettors))
    tickets = await world.sql("SELECT count(*)::int AS count FROM tickets WHERE round_id = $1", round_id)
    assert locked.round.totals.tickets == accepted == tickets[0]["count"]


async def test_a_full_queue_is_refused_with_a_time_to_come_back(world: World) -> None:
    player = await world.account(1_000_000)
    round_id = (await world.open()).round.round_id
    async with persisting(world.database_url, writer_queue_max=500, writer_batch_max=50) as stubs:
        small = World(stubs, world.database_url)
        calls = [small.append(round_id, *(order(player, 1) for _ in range(100))) for _ in range(20)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [answer for answer in answers if isinstance(answer, BaseException)]
        assert 0 < len(refusals) < 20

        async def fail(error: BaseException) -> None:
            raise error

        told = await refused(fail(refusals[0]))
        assert (told.reason, told.code.name) == ("OVERLOADED", "RESOURCE_EXHAUSTED")
        assert told.retry_in_ms is not None
        assert told.retry_in_ms > 0


async def test_tickets_of_an_account_are_listed_newest_first_and_page_by_page(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = [order(player, 1, request_id=uuid7()) for _ in range(5)]
    await world.place(round_id, *asked)
    found: list[str] = []
    token = ""
    while True:
        page = await world.stubs.tickets.ListTickets(
            ListTicketsRequest(account_id=player, page_size=2, page_token=token)
        )
        found += [ticket.ticket_id for ticket in page.tickets]
        token = page.next_page_token
        if not token:
            break
    assert found == sorted((each.request_id for each in asked), reverse=True)
    request = ListTicketsRequest(account_id=player, page_size=2, page_token="made up")
    assert (await refused(world.stubs.tickets.ListTickets(request))).reason == "MALFORMED"


async def test_a_ticket_that_is_not_there_is_unknown(world: World) -> None:
    request = GetTicketRequest(ticket_id=uuid7())
    assert (await refused(world.stubs.tickets.GetTicket(request))).reason == "TICKET_UNKNOWN"


async def test_malformed_orders_name_their_fields_and_place_nothing(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    bad = order(player, 0, 10_000_001)
    bad.request_id = "not-an-id"
    bad.lines[1].runners[:] = [41]
    told = await refused(world.append(round_id, order(player, 1), bad))
    assert told.reason == "MALFORMED"
    assert set(told.fields) == {
        "tickets[1].request_id",
        "tickets[1].lines[0].stake_minor",
        "tickets[1].lines[1].stake_minor",
        "tickets[1].lines[1].runners[0]",
    }
    assert await world.balance_minor(player) == 1_000


async def test_a_call_takes_five_hundred_tickets_and_no_more(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = [order(player, 1) for _ in range(501)]
    assert (await refused(world.append(round_id, *asked))).fields == ["tickets"]
    assert verdicts(await world.place(round_id, *asked[:500])) == ["ACCEPTED"] * 500


async def test_a_refusal_of_game_leaves_no_ticket(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 1, refusal=TicketResult.SUSPENDED)
    (answer,) = await world.place(round_id, asked)
    assert (answer.verdict, answer.reason) == (TicketResult.SUSPENDED, "game says so")
    request = GetTicketRequest(ticket_id=asked.request_id)
    assert (await refused(world.stubs.tickets.GetTicket(request))).reason == "TICKET_UNKNOWN"


async def test_a_suspended_track_takes_no_tickets_until_it_runs_again(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.sql("UPDATE tracks SET state = 3")
    asked = order(player, 100)
    assert verdicts(await world.place(round_id, asked)) == ["SUSPENDED"]
    await world.sql("UPDATE tracks SET state = 1")
    assert verdicts(await world.place(round_id, asked, order(player, 100))) == ["SUSPENDED*", "ACCEPTED"]


async def test_an_id_from_the_future_is_refused_and_leaves_nothing(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    day_ms = 24 * 60 * 60 * 1_000
    now_ms = int(time.time() * 1_000)
    far = order(player, 1, request_id=uuid7(now_ms + day_ms + 60_000))
    near = order(player, 1, request_id=uuid7(now_ms + day_ms - 60_000))
    answers = await world.place(round_id, far, near)
    assert verdicts(answers) == ["REQUEST_ID_EXPIRED", "ACCEPTED"]
    assert "future" in answers[0].reason
    assert not await world.sql("SELECT 1 FROM request_keys WHERE request_id = $1", far.request_id)


async def _limited(world: World, **limits: int) -> int:
    """A round whose limits are set past the track."""
    round_id = (await world.open()).round.round_id
    for name, most_minor in limits.items():
        await world.sql(f"UPDATE rounds SET {name} = $2 WHERE round_id = $1", round_id, most_minor)
    return round_id


async def test_a_selection_comes_to_pay_no_more_than_its_limit(world: World) -> None:
    player = await world.account(10_000)
    round_id = await _limited(world, selection_payout_max_minor=1_000)
    first = await world.place(round_id, order(player, 400), order(player, 100))
    assert verdicts(first) == ["ACCEPTED", "LIABILITY_EXCEEDED"]
    assert first[1].reason == "the selection could come to pay 1175, and at most 1000 may be"
    again = await world.place(round_id, order(player, 26), order(player, 25), order(player, 100, runner=2))
    assert verdicts(again) == ["LIABILITY_EXCEEDED", "ACCEPTED", "ACCEPTED"]


async def test_the_house_comes_to_lose_no_more_than_its_limit(world: World) -> None:
    player = await world.account(10_000)
    round_id = await _limited(world, round_loss_max_minor=135)
    assert verdicts(await world.place(round_id, order(player, 100))) == ["ACCEPTED"]
    assert verdicts(await world.place(round_id, order(player, 1))) == ["LIABILITY_EXCEEDED"]
    assert verdicts(await world.place(round_id, order(player, 10, runner=2))) == ["ACCEPTED"]
    assert verdicts(await world.place(round_id, order(player, 7))) == ["ACCEPTED"]


async def test_two_writers_together_take_no_more_risk_than_the_limit(world: World) -> None:
    players = [await world.account(10_000) for _ in range(2)]
    round_id = await _limited(world, selection_payout_max_minor=2_350)
    async with persisting(world.database_url) as stubs:
        other = World(stubs, world.database_url)
        answers = await asyncio.gather(
            *(
                each.place(round_id, *(order(player, 10) for _ in range(10)))
                for _ in range(10)
                for each, player in zip((world, other), players, strict=True)
            )
        )
    names = [name for each in answers for name in verdicts(each)]
    assert (names.count("ACCEPTED"), names.count("LIABILITY_EXCEEDED")) == (102, 98)  # 23 each


async def test_the_look_up_of_keys_leaves_the_other_days_out(world: World) -> None:
    ids = [uuid7() for _ in range(3)]
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE look_up (bigint, text, uuid, uuid) AS {READ_ROUND_AND_KEYS}")
        array = "{" + ",".join(ids) + "}"
        plan = await connection.fetch(
            f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE look_up (1, '{array}', '{min(ids)}', '{max(ids)}')"
        )
    finally:
        await connection.close()
    lines = [row[0] for row in plan]
    scans = [line for line in lines if "on request_keys" in line and "never executed" not in line]
    assert len(scans) <= 2, lines
    assert any("Subplans Removed" in line for line in lines), lines
    assert not any("Seq Scan on request_keys" in line for line in lines), lines


async def test_repeats_and_new_orders_of_several_kinds_go_in_one_call(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    good, refused_by_game = order(player, 100, 50), order(player, 1, refusal=Verdict.PRICE_CHANGED)
    first = await world.place(round_id, refused_by_game, good, order(player, 5_000), good)
    assert verdicts(first) == ["PRICE_CHANGED", "ACCEPTED", "INSUFFICIENT_FUNDS", "ACCEPTED*"]
    stored = await world.sql("SELECT verdict, reason, content_hash FROM request_keys ORDER BY verdict")
    assert [(row["verdict"], row["reason"]) for row in stored] == [
        (Verdict.ACCEPTED, ""),
        (Verdict.PRICE_CHANGED, "game says so"),
        (Verdict.INSUFFICIENT_FUNDS, "the balance does not cover the stake"),
    ]
    assert stored[0]["content_hash"] == good.content_hash
    assert stored[1]["content_hash"] == refused_by_game.content_hash
    lines = await world.sql("SELECT line, market, selection, stake_minor FROM lines ORDER BY line")
    assert [tuple(row) for row in lines] == [(1, 1, b"\x01", 100), (2, 1, b"\x01", 50)]


async def test_every_price_that_was_set_is_written_down_with_who_set_it(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.set_prices(round_id, {1: 250, 3: 900})
    stored = await world.set_prices(round_id, {1: 240})
    rows = await world.sql(
        "SELECT price_revision, market, runner, price_hundredths FROM round_prices WHERE round_id = $1 ORDER BY 1, 3",
        round_id,
    )
    audited = await world.sql("SELECT action, subject, actor, reason FROM audit")

    assert [tuple(row) for row in rows] == [(1, 1, 1, 250), (1, 1, 3, 900), (2, 1, 1, 240)]
    assert [tuple(row) for row in audited] == [("set prices", str(round_id), "operator", "money")] * 2
    assert [runner.win_price_hundredths for runner in stored.round.runners] == [240, PRICES[2], 900]


async def test_under_load_no_ticket_is_accepted_at_a_price_after_it_was_withdrawn(world: World) -> None:
    """Prices and their revision rise together, so a ticket's price tells by which revision it was judged."""
    player = await world.account(1_000_000)
    round_id = (await world.open()).round.round_id
    withdrawn = 0  # the greatest revision of which it is certain that it is over
    revision = 0
    moving = True
    told: list[tuple[int, int, str]] = []

    async def bet() -> None:
        while moving:
            judged_by, over = revision, withdrawn
            asked = order(player, 1, price_revision=judged_by)
            [verdict] = verdicts(await world.place(round_id, asked))
            told.append((judged_by, over, verdict))

    crowd = [asyncio.create_task(bet()) for _ in range(8)]
    for _ in range(25):
        stored = await world.set_prices(round_id, {1: 300 + revision})
        withdrawn = revision + 1
        await asyncio.sleep(0.004)  # the crowd goes on with the old revision for a while
        revision = stored.round.price_revision
        await asyncio.sleep(0.01)
    moving = False
    await asyncio.gather(*crowd)

    late = [verdict for judged_by, over, verdict in told if judged_by < over]
    assert set(late) == {"VERDICT_UNSPECIFIED"}
    assert {verdict for *_, verdict in told} == {"VERDICT_UNSPECIFIED", "ACCEPTED"}
    tickets = await world.sql("SELECT count(*) AS tickets FROM tickets WHERE round_id = $1", round_id)
    assert tickets[0]["tickets"] == sum(verdict == "ACCEPTED" for *_, verdict in told)
