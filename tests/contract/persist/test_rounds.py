"""Transitions over a real database: order, time, fences, money, repeats and history."""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import grpc
import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.persist.v1.round_store_service_pb2 import (
    GetCurrentRoundRequest,
    GetRoundRequest,
    ListRoundsRequest,
    ListTransitionsRequest,
    ListUnsettledRoundsRequest,
    StartRaceRequest,
    StoredRound,
)
from furlong.persist.v1.ticket_store_service_pb2 import GetTicketRequest

from services.persist.domain.tickets_root import EMPTY, root
from tests.persisting import PRICES, SEED, World, order, persisting, verdicts, winner
from tests.served import refused


async def history(world: World, after: int = 0) -> list[StoredRound]:
    response = await world.stubs.rounds.ListTransitions(
        ListTransitionsRequest(track=world.track, after=after, page_size=100)
    )
    return list(response.transitions)


async def test_a_round_runs_from_open_to_settled(world: World) -> None:
    opened = await world.open()
    round_id = opened.round.round_id
    assert (opened.round.phase, opened.round.revision, opened.epoch) == (Round.OPEN, 1, world.epoch)
    span = opened.round.locks_at.ToMilliseconds() - opened.round.opens_at.ToMilliseconds()
    assert span == 60_000
    settled = await world.settle(round_id)
    assert settled.round.phase == Round.SETTLED
    assert [(each.round.phase, each.round.revision, each.round.transition_seq) for each in await history(world)] == [
        (Round.OPEN, 1, 1),
        (Round.LOCKED, 2, 2),
        (Round.RUNNING, 3, 3),
        (Round.FINISHED, 4, 4),
        (Round.SETTLED, 5, 5),
    ]


async def test_transitions_show_the_round_as_it_was_right_after_each(world: World) -> None:
    player = await world.account(1_000)
    opened = await world.open()
    await world.place(opened.round.round_id, order(player, 100))
    settled = await world.settle(opened.round.round_id)
    past = await history(world)
    assert past[0] == opened
    assert past[-1] == settled
    told = [
        (
            Round.Phase.Name(each.round.phase),
            each.round.totals.tickets,
            bool(each.round.tickets_root),
            list(each.round.result),
            bool(each.server_seed),
            each.round.payout_minor,
        )
        for each in past
    ]
    assert told == [
        ("OPEN", 0, False, [], False, 0),
        ("LOCKED", 1, True, [], False, 0),
        ("RUNNING", 1, True, [1, 2, 3], True, 0),
        ("FINISHED", 1, True, [1, 2, 3], True, 0),
        ("SETTLED", 1, True, [1, 2, 3], True, 235),
    ]
    assert await history(world, after=3) == past[3:]


async def test_transitions_of_a_track_have_no_gaps_whatever_is_refused_between(world: World) -> None:
    for _ in range(3):
        stored = await world.open()
        await refused(world.stubs.rounds.LockRound(world.lock_request(stored.round.round_id)))
        await refused(world.stubs.rounds.SettleRound(world.settle_request(stored.round.round_id)))
        await world.stubs.rounds.VoidRound(world.void_request(stored.round.round_id))
    assert [each.round.transition_seq for each in await history(world)] == [1, 2, 3, 4, 5, 6]


async def test_the_root_of_the_lock_covers_the_sub_roots_in_their_order(world: World) -> None:
    player = await world.account(1_000)
    stored = await world.open()
    for _ in range(3):
        await world.place(stored.round.round_id, order(player, 1), order(player, 2))
    locked = await world.lock(stored.round.round_id)
    rows = await world.sql("SELECT sub_root FROM batches ORDER BY batch_id")
    assert bytes.fromhex(locked.round.tickets_root) == root([row["sub_root"] for row in rows])


async def test_a_round_without_tickets_has_the_empty_root(world: World) -> None:
    locked = await world.lock((await world.open()).round.round_id)
    assert locked.round.tickets_root == EMPTY.hex()


async def test_locking_before_its_time_is_refused_with_the_time_left(world: World) -> None:
    stored = await world.open(betting_window_ms=5_000)
    told = await refused(world.stubs.rounds.LockRound(world.lock_request(stored.round.round_id)))
    assert (told.reason, told.code) == ("TOO_EARLY", grpc.StatusCode.FAILED_PRECONDITION)
    assert told.retry_in_ms is not None
    assert 0 < told.retry_in_ms <= 5_000


async def test_the_race_neither_starts_nor_finishes_before_its_time(world: World) -> None:
    stored = await world.open(betting_window_ms=1_000, lock_ms=60_000, race_ms=60_000)
    round_id = stored.round.round_id
    await world.sql("UPDATE rounds SET locks_at = opens_at + interval '1 ms' WHERE round_id = $1", round_id)
    await world.stubs.rounds.LockRound(world.lock_request(round_id))
    assert (await refused(world.stubs.rounds.StartRace(world.start_request(round_id)))).reason == "TOO_EARLY"
    await world.sql("UPDATE rounds SET starts_at = locks_at + interval '1 ms' WHERE round_id = $1", round_id)
    await world.stubs.rounds.StartRace(world.start_request(round_id))
    assert (await refused(world.stubs.rounds.FinishRound(world.finish_request(round_id)))).reason == "TOO_EARLY"


async def test_a_step_from_the_wrong_phase_is_refused(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.let_time_pass(round_id)
    for call in (
        world.stubs.rounds.StartRace(world.start_request(round_id)),
        world.stubs.rounds.FinishRound(world.finish_request(round_id)),
        world.stubs.rounds.SettleRound(world.settle_request(round_id)),
    ):
        assert (await refused(call)).reason == "ROUND_PHASE"


async def test_a_track_has_one_round_on_it(world: World) -> None:
    await world.open()
    assert (await refused(world.open())).reason == "ROUND_PHASE"


async def test_the_next_round_opens_while_the_last_one_is_not_settled(world: World) -> None:
    first = (await world.open()).round.round_id
    await world.finish(first)
    second = (await world.open()).round.round_id
    unsettled = await world.stubs.rounds.ListUnsettledRounds(ListUnsettledRoundsRequest(track=world.track))
    assert [each.round.round_id for each in unsettled.rounds] == [first, second]
    await world.stubs.rounds.SettleRound(world.settle_request(first))
    unsettled = await world.stubs.rounds.ListUnsettledRounds(ListUnsettledRoundsRequest(track=world.track))
    assert [each.round.round_id for each in unsettled.rounds] == [second]


async def test_the_same_request_gets_the_same_bytes_for_ever(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.let_time_pass(round_id)
    request = world.lock_request(round_id)
    first = await world.stubs.rounds.LockRound(request)
    await world.stubs.rounds.StartRace(world.start_request(round_id))
    assert await world.stubs.rounds.LockRound(request) == first
    request.epoch += 1
    assert (await refused(world.stubs.rounds.LockRound(request))).reason == "REQUEST_REUSED"


async def test_the_same_request_at_once_is_carried_out_once(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.let_time_pass(round_id)
    request = world.lock_request(round_id)
    answers = await asyncio.gather(*(world.stubs.rounds.LockRound(request) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await history(world)) == 2


async def test_a_durable_step_asked_for_again_answers_the_round_as_it_is(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.finish(round_id)
    for call in (
        world.stubs.rounds.LockRound(world.lock_request(round_id)),
        world.stubs.rounds.StartRace(world.start_request(round_id)),
        world.stubs.rounds.FinishRound(world.finish_request(round_id)),
    ):
        assert (await call).stored.round.phase == Round.FINISHED
    assert len(await history(world)) == 4


async def test_another_result_than_the_durable_one_is_refused(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.finish(round_id)
    told = await refused(world.stubs.rounds.StartRace(world.start_request(round_id, (3, 2, 1))))
    assert told.reason == "ROUND_PHASE"


@pytest.mark.parametrize(
    ("result", "seed", "field"),
    [
        ((1, 2, 3), sha256(SEED).digest(), "server_seed"),
        ((1, 2), SEED, "result"),
        ((1, 2, 2), SEED, "result"),
        ((1, 2, 4), SEED, "result"),
    ],
)
async def test_a_draw_that_does_not_fit_the_round_is_refused(
    world: World, result: tuple[int, ...], seed: bytes, field: str
) -> None:
    round_id = (await world.open()).round.round_id
    await world.lock(round_id)
    told = await refused(world.stubs.rounds.StartRace(world.start_request(round_id, result, seed)))
    assert (told.reason, told.fields) == ("MALFORMED", [field])


def entered(round_id: int, **changes: Any) -> StartRaceRequest:
    fields: dict[str, Any] = {"result": (1, 2, 3), "actor": "operator", "reason": "seen at the rails", "from_now": True}
    return StartRaceRequest(request_id=uuid7(), round_id=round_id, **(fields | changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epoch": 1}, "epoch"),
        ({"reason": ""}, "reason"),
        ({"server_seed": SEED}, "server_seed"),
        ({"beacon_signature": b"s"}, "beacon_signature"),
        ({"actor": ""}, "epoch reason server_seed"),
        ({"result": (1,)}, "result"),
        ({"result": (1, 2)}, "result"),
        ({"result": (1, 2), "withdrawn": (4,)}, "withdrawn"),
        ({"result": (1, 2), "withdrawn": (3, 3)}, "withdrawn"),
        ({"withdrawn": (3,)}, "result"),
        ({"positions": (1, 2)}, "positions"),
        ({"positions": (1, 1, 2)}, "positions"),
        ({"positions": (1, 3, 3)}, "positions"),
        ({"positions": (2, 2, 3)}, "positions"),
        ({"positions": (1, 0, 3)}, "positions"),
        ({"positions": (0, 0, 0)}, "positions"),
        ({"positions": (1, 2, -1)}, "positions[2]"),
    ],
)
async def test_an_entered_result_that_does_not_fit_the_round_is_refused(
    world: World, changes: Mapping[str, Any], field: str
) -> None:
    round_id = (await world.open()).round.round_id
    await world.lock(round_id)
    told = await refused(world.stubs.rounds.StartRace(entered(round_id, **changes)))
    assert (told.reason, told.fields) == ("MALFORMED", field.split())


async def test_an_entered_result_needs_no_lease_and_is_in_the_audit(world: World) -> None:
    round_id = (await world.open()).round.round_id
    assert (await refused(world.stubs.rounds.StartRace(entered(round_id)))).reason == "ROUND_PHASE"
    locked = (await world.lock(round_id)).round
    request = entered(round_id, result=(3, 1), positions=(1, 1), withdrawn=(2,))
    answers = await asyncio.gather(*(world.stubs.rounds.StartRace(request) for _ in range(3)))
    assert all(answer == answers[0] for answer in answers)
    started = answers[0].stored.round
    assert (list(started.result), list(started.positions), list(started.withdrawn)) == ([3, 1], [1, 1], [2])
    assert (started.locks_at, started.phase) == (locked.locks_at, Round.RUNNING)
    late_ms = started.starts_at.ToMilliseconds() - locked.starts_at.ToMilliseconds()
    assert late_ms > 3_600_000, "the round was moved into the past"
    assert started.finishes_at.ToMilliseconds() - locked.finishes_at.ToMilliseconds() == late_ms
    assert started.ends_at.ToMilliseconds() - locked.ends_at.ToMilliseconds() == late_ms
    audit = await world.sql("SELECT action, subject, actor, reason FROM audit")
    assert [tuple(row) for row in audit] == [("enter result", str(round_id), "operator", "seen at the rails")]


async def test_of_two_results_that_are_entered_at_once_one_counts(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.lock(round_id)
    results = ((1, 2, 3), (3, 2, 1))
    answers = await asyncio.gather(
        *(world.stubs.rounds.StartRace(entered(round_id, result=result)) for result in results), return_exceptions=True
    )
    started = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(started) == 1
    told = await refused(world.stubs.rounds.StartRace(entered(round_id, result=results[answers.index(started[0]) - 1])))
    assert told.reason == "ROUND_PHASE"
    assert (await history(world))[-1] == started[0].stored
    assert len(await world.sql("SELECT FROM audit")) == 1


async def test_a_race_is_either_voided_or_started_by_its_result(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.lock(round_id)
    calls = (
        world.stubs.rounds.VoidRound(world.void_request(round_id)),
        world.stubs.rounds.StartRace(entered(round_id)),
    )
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert len([answer for answer in answers if not isinstance(answer, BaseException)]) == 1
    assert [each.round.phase for each in await history(world)][2:] in ([Round.VOID], [Round.RUNNING])
    assert len(await world.sql("SELECT FROM audit")) == 1


async def test_an_entered_result_is_settled_and_corrected_like_any_other(world: World) -> None:
    round_id = (await world.open()).round.round_id
    player = await world.account(1_000)
    await world.place(round_id, order(player, 100, runner=1), order(player, 100, runner=2))
    await world.lock(round_id)
    await world.stubs.rounds.StartRace(entered(round_id, positions=(1, 1, 3)))
    await world.let_time_pass(round_id)
    await world.stubs.rounds.FinishRound(world.finish_request(round_id))
    halves = [winner(1, denominator=2), winner(2, denominator=2)]
    await world.stubs.rounds.SettleRound(world.settle_request(round_id, *halves))
    settled = await world.post(round_id)
    shared_minor = PRICES[1] // 2 + PRICES[2] // 2
    assert (settled.round.phase, settled.round.payout_minor) == (Round.SETTLED, shared_minor)
    assert await world.balance_minor(player) == 800 + shared_minor
    request = world.correct_request(round_id, 2, 1, reason="photo finish")
    request.withdrawn.append(3)
    corrected = (await world.stubs.rounds.CorrectResult(request)).stored.round
    assert (list(corrected.result), list(corrected.positions), list(corrected.withdrawn)) == ([2, 1], [], [3])
    await world.post(round_id)
    assert await world.balance_minor(player) == 800 + PRICES[2]
    await world.check_books()


async def test_a_ticket_on_withdrawn_runners_alone_is_void_and_one_with_other_lines_is_not(world: World) -> None:
    round_id = (await world.open()).round.round_id
    player = await world.account(1_000)
    alone, mixed = order(player, 100, 50, runner=3), order(player, 40, 60, runner=3)
    mixed.lines[0].runners[:] = [1]
    await world.place(round_id, alone, mixed)
    await world.settle(round_id, winner(1))
    request = world.correct_request(round_id, 2, 1, winners=[winner(2), winner(3, refund=True)])
    request.withdrawn.append(3)
    await world.stubs.rounds.CorrectResult(request)
    await world.post(round_id)

    told = [
        (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=each.request_id))).ticket
        for each in (alone, mixed)
    ]
    states = [(Ticket.State.Name(each.state), each.payout_minor) for each in told]
    assert states == [("VOIDED", 150), ("WON", 60)]
    assert await world.balance_minor(player) == 750 + 210
    await world.check_books()


async def test_a_stale_epoch_changes_nothing(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.let_time_pass(round_id)
    stale = world.epoch
    await world.sql("UPDATE leases SET expires_at = clock_timestamp()")
    world.epoch = await world.lead("second")
    assert world.epoch == stale + 1
    told = await refused(world.stubs.rounds.LockRound(world.lock_request(round_id, stale)))
    assert told.reason == "EPOCH_STALE"
    assert (await refused(world.stubs.rounds.VoidRound(world.void_request(round_id, epoch=stale)))).reason == (
        "EPOCH_STALE"
    )
    assert (await refused(world.open(epoch=stale))).reason == "EPOCH_STALE"
    assert len(await history(world)) == 1
    await world.stubs.rounds.LockRound(world.lock_request(round_id))


async def test_of_two_lockers_with_different_epochs_the_current_one_locks(world: World) -> None:
    async with persisting(world.database_url) as stubs:
        for _ in range(5):
            round_id = (await world.open()).round.round_id
            await world.let_time_pass(round_id)
            requests = [world.lock_request(round_id, epoch) for epoch in (world.epoch - 1, world.epoch)]
            if world.epoch == 1:
                requests[0].epoch = 77
            old, new = await asyncio.gather(
                refused(stubs.rounds.LockRound(requests[0])), world.stubs.rounds.LockRound(requests[1])
            )
            assert old.reason == "EPOCH_STALE"
            assert new.stored.round.phase == Round.LOCKED
            await world.stubs.rounds.VoidRound(world.void_request(round_id))


async def test_a_change_of_hands_waits_for_the_step_under_way_and_a_renewal_does_not(world: World) -> None:
    import asyncpg

    await world.sql("UPDATE leases SET expires_at = clock_timestamp()")
    connection = await asyncpg.connect(world.database_url)
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT epoch FROM leases WHERE track = $1 FOR KEY SHARE", world.track)
            assert await world.lead("first") == world.epoch
            await world.sql("UPDATE leases SET expires_at = clock_timestamp()")
            takeover = asyncio.create_task(world.lead("second"))
            await asyncio.sleep(0.2)
            assert not takeover.done()
        assert await takeover == world.epoch + 1
    finally:
        await connection.close()


async def test_winners_are_paid_at_their_own_price_and_the_house_keeps_the_rest(world: World) -> None:
    winning, losing, both = [await world.account(1_000) for _ in range(3)]
    round_id = (await world.open()).round.round_id
    mixed = order(both, 101, 33)
    mixed.lines[1].runners[:] = [2]
    asked = [order(winning, 333), order(losing, 500, runner=2), mixed]
    await world.place(round_id, *asked)
    settled = await world.settle(round_id)
    payouts = [333 * PRICES[1] // 100, 101 * PRICES[1] // 100]
    assert settled.round.payout_minor == sum(payouts)
    assert [await world.balance_minor(each) for each in (winning, losing, both)] == [
        1_000 - 333 + payouts[0],
        500,
        1_000 - 134 + payouts[1],
    ]
    tickets = [
        (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=each.request_id))).ticket for each in asked
    ]
    assert [(each.State.Name(each.state), each.payout_minor) for each in tickets] == [
        ("WON", payouts[0]),
        ("LOST", 0),
        ("WON", payouts[1]),
    ]
    house = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 3")
    assert house[0]["balance_minor"] == 333 + 500 + 134 - sum(payouts)
    escrow = await world.sql("SELECT balance_minor FROM accounts WHERE kind = 4")
    assert escrow[0]["balance_minor"] == 0


async def test_a_dead_heat_pays_a_part_of_the_stake(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 101), order(player, 1, runner=2))
    settled = await world.settle(round_id, winner(1, 1, 2), winner(2, 1, 40))
    assert settled.round.payout_minor == 101 * PRICES[1] // 200


async def test_a_winning_ticket_that_is_paid_nothing_has_won_all_the_same(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 1)
    await world.place(round_id, asked)
    await world.settle(round_id, winner(1, 1, 40))
    ticket = (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=asked.request_id))).ticket
    assert (ticket.state, ticket.payout_minor) == (ticket.WON, 0)


async def test_settling_again_with_other_winners_is_refused_and_pays_nothing(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 100), order(player, 100, runner=2))
    first = await world.settle(round_id)
    again = await world.stubs.rounds.SettleRound(world.settle_request(round_id))
    assert again.stored == first
    told = await refused(world.stubs.rounds.SettleRound(world.settle_request(round_id, winner(2))))
    assert told.reason == "ROUND_PHASE"
    assert await world.balance_minor(player) == 1_035


async def test_settled_by_many_at_once_a_round_is_paid_once(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 100))
    await world.finish(round_id)
    async with persisting(world.database_url) as stubs:
        answers = await asyncio.gather(
            *(each.rounds.SettleRound(world.settle_request(round_id)) for each in (world.stubs, stubs) * 5)
        )
    assert {answer.stored.round.payout_minor for answer in answers} == {235}
    await world.post(round_id)
    assert await world.balance_minor(player) == 1_135


async def test_a_void_gives_every_stake_back_once(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = order(player, 100, 200)
    await world.place(round_id, asked, order(player, 300))
    first = await world.stubs.rounds.VoidRound(world.void_request(round_id))
    assert (first.stored.round.phase, first.stored.round.void_reason) == (Round.VOID, "no race")
    assert first.stored.epoch == world.epoch
    again = await world.stubs.rounds.VoidRound(world.void_request(round_id))
    assert again == first
    told = await refused(world.stubs.rounds.VoidRound(world.void_request(round_id, reason="another")))
    assert told.reason == "ROUND_PHASE"
    assert not (await world.post(round_id)).posting
    assert await world.balance_minor(player) == 1_000
    ticket = (await world.stubs.tickets.GetTicket(GetTicketRequest(ticket_id=asked.request_id))).ticket
    assert (ticket.state, ticket.payout_minor) == (ticket.VOIDED, 300)


async def test_betting_on_a_void_round_is_closed(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.stubs.rounds.VoidRound(world.void_request(round_id))
    assert verdicts(await world.place(round_id, order(player, 1))) == ["BETTING_CLOSED"]


async def test_after_the_draw_no_round_is_void(world: World) -> None:
    round_id = (await world.open()).round.round_id
    await world.finish(round_id)
    assert (await refused(world.stubs.rounds.VoidRound(world.void_request(round_id)))).reason == "ROUND_PHASE"


async def test_void_and_lock_at_once_leave_one_of_two_whole_histories(world: World) -> None:
    for _ in range(5):
        player = await world.account(1_000)
        round_id = (await world.open()).round.round_id
        await world.place(round_id, order(player, 100))
        await world.let_time_pass(round_id)
        void = world.stubs.rounds.VoidRound(world.void_request(round_id))
        lock = world.stubs.rounds.LockRound(world.lock_request(round_id))
        await asyncio.gather(void, lock, return_exceptions=True)
        stored = (await world.stubs.rounds.GetRound(GetRoundRequest(round_id=round_id))).stored
        assert stored.round.phase == Round.VOID
        await world.post(round_id)
        assert await world.balance_minor(player) == 1_000


async def test_rounds_are_read_one_by_one_current_and_by_page(world: World) -> None:
    ids = []
    for _ in range(3):
        round_id = (await world.open()).round.round_id
        ids.append(round_id)
        await world.stubs.rounds.VoidRound(world.void_request(round_id))
    current = (await world.stubs.rounds.GetCurrentRound(GetCurrentRoundRequest(track=world.track))).stored
    assert current.round.round_id == ids[-1]
    assert (await world.stubs.rounds.GetRound(GetRoundRequest(round_id=ids[-1]))).stored == current
    first = await world.stubs.rounds.ListRounds(ListRoundsRequest(track=world.track, page_size=2))
    rest = await world.stubs.rounds.ListRounds(
        ListRoundsRequest(track=world.track, page_size=2, page_token=first.next_page_token)
    )
    assert [each.round.round_id for page in (first, rest) for each in page.rounds] == ids[::-1]
    assert rest.next_page_token == ""


async def test_what_is_not_there_is_named(world: World) -> None:
    rounds = world.stubs.rounds
    assert (await refused(rounds.GetRound(GetRoundRequest(round_id=999)))).reason == "ROUND_UNKNOWN"
    assert (await refused(rounds.LockRound(world.lock_request(999)))).reason == "ROUND_UNKNOWN"
    current = GetCurrentRoundRequest(track=world.track)
    assert (await refused(rounds.GetCurrentRound(current))).reason == "ROUND_UNKNOWN"
    for call in (
        rounds.GetCurrentRound(GetCurrentRoundRequest(track="nowhere")),
        rounds.ListRounds(ListRoundsRequest(track="nowhere", page_size=1)),
        rounds.ListUnsettledRounds(ListUnsettledRoundsRequest(track="nowhere")),
        rounds.ListTransitions(ListTransitionsRequest(track="nowhere", page_size=1)),
    ):
        assert (await refused(call)).reason == "TRACK_NOT_FOUND"
    response = await rounds.ListTransitions(ListTransitionsRequest(track=world.track, page_size=1))
    assert (list(response.transitions), response.latest) == ([], 0)
