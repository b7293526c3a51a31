"""The public services: who may see and do what, and how it is answered."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from furlong.common.v1.account_pb2 import Account, Transfer
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Role
from furlong.common.v1.round_pb2 import Program as ProgramMessage
from furlong.common.v1.round_pb2 import RaceCard, Round, Runner, Timetable, Track
from furlong.common.v1.ticket_pb2 import Line, Price, Ticket, TicketOrder, TicketResult
from furlong.game.v1 import account_service_pb2 as accounts
from furlong.game.v1 import round_service_pb2 as rounds
from furlong.game.v1 import ticket_service_pb2 as tickets
from furlong.game.v1 import track_service_pb2 as tracks
from google.protobuf.json_format import MessageToDict

from services.chassis.principal import Principal, set_current
from services.chassis.refusal import Refusal
from services.game.domain.round import Terms
from services.game.domain.track import DEFAULT_LIMITS, DEFAULT_RETURN_BPS, DEFAULT_TIMETABLE, Program, Source
from tests.fakes.virtual_clock import VirtualClock
from tests.gaming import Playing
from tests.mailboxes import taken
from tests.model import draw as model
from tests.model import race as race_model
from tests.rounds import TRACK

MINE = "0190d3c5-0000-7000-8000-000000000001"
THEIRS = "0190d3c5-0000-7000-8000-000000000002"
CONTEXT: Any = None


@pytest.fixture
async def game() -> AsyncIterator[Playing]:
    clock = VirtualClock()
    playing = Playing(clock)
    await playing.add_track()
    playing.tracks.start()
    await clock.settle()
    yield playing
    await playing.close()


@pytest.fixture
async def far_off() -> AsyncIterator[Playing]:
    """A game on whose track races are shown that are run somewhere else."""
    clock = VirtualClock()
    playing = Playing(clock)
    await playing.add_track(program=Program(source=Source.ENTERED))
    playing.tracks.start()
    await clock.settle()
    yield playing
    await playing.close()


def clock_of(game: Playing) -> VirtualClock:
    assert isinstance(game.clock, VirtualClock)
    return game.clock


def become(*roles: Role.ValueType, accounts: tuple[str, ...] = (MINE,), terminal: str = "") -> None:
    held = Principal(subject="somebody", roles=frozenset(roles), accounts=frozenset(accounts), terminal=terminal)
    set_current(held)


def request_id(number: int) -> str:
    return f"0190d3c5-0000-7000-8000-{number:012d}"


def order(number: int, account_id: str = MINE, runner: int = 1) -> TicketOrder:
    line = Line(market=Line.WIN, runners=[runner], stake_minor=10)
    return TicketOrder(request_id=request_id(number), account_id=account_id, lines=[line])


async def place(game: Playing, *orders: TicketOrder, round_id: int = 1) -> list[TicketResult]:
    request = tickets.PlaceTicketsRequest(round_id=round_id, tickets=orders)
    return list((await game.tickets.PlaceTickets(request, CONTEXT)).results)


async def test_a_placed_ticket_is_answered_with_its_price(game: Playing) -> None:
    become(Role.PLAYER)
    [result] = await place(game, order(7))

    price = (await game.store.round(1)).round.runners[0].win_price_hundredths
    assert result.verdict == TicketResult.ACCEPTED
    assert (result.request_id, result.ticket.ticket_id) == (request_id(7), request_id(7))
    assert result.ticket.state == Ticket.ACCEPTED
    assert [line.price_hundredths for line in result.ticket.lines] == [price]
    assert result.ticket.currency == TRACK.currency


async def test_the_same_order_gets_the_same_answer_again(game: Playing) -> None:
    become(Role.PLAYER)
    [first] = await place(game, order(7))
    [again] = await place(game, order(7))
    [other] = await place(game, order(7, runner=2))

    assert (first.replayed, again.replayed) == (False, True)
    assert again.ticket == first.ticket
    assert other.verdict == TicketResult.REQUEST_ID_REUSED


async def test_one_account_that_is_not_the_callers_refuses_the_whole_call(game: Playing) -> None:
    become(Role.PLAYER)
    with pytest.raises(Refusal) as refused:
        await place(game, order(1), order(2, THEIRS))

    assert refused.value.reason == Reason.ACCOUNT_NOT_YOURS
    assert refused.value.metadata == {"account_id": THEIRS}
    assert "append" not in game.store.calls


@pytest.mark.parametrize(
    ("roles", "own", "sees"),
    [
        ((Role.PLAYER,), (MINE,), True),
        ((Role.PLAYER,), (THEIRS,), False),
        ((Role.CASHIER,), (THEIRS,), False),
        ((Role.PLAYER,), ("*",), True),
        ((Role.OPERATOR,), (), True),
        ((Role.AUDITOR,), (), True),
    ],
)
async def test_who_sees_a_ticket_and_its_account(
    game: Playing, roles: tuple[Role.ValueType, ...], own: tuple[str, ...], sees: bool
) -> None:
    become(Role.PLAYER)
    await place(game, order(7))
    game.ledger.accounts[MINE] = Account(account_id=MINE)
    become(*roles, accounts=own)
    asked = [
        (game.tickets.GetTicket, tickets.GetTicketRequest(ticket_id=request_id(7)), Reason.TICKET_UNKNOWN),
        (game.tickets.ListTickets, tickets.ListTicketsRequest(account_id=MINE), Reason.ACCOUNT_UNKNOWN),
        (game.accounts.GetAccount, accounts.GetAccountRequest(account_id=MINE), Reason.ACCOUNT_UNKNOWN),
        (game.accounts.ListTransfers, accounts.ListTransfersRequest(account_id=MINE), Reason.ACCOUNT_UNKNOWN),
    ]

    for method, request, reason in asked:
        if sees:
            await method(request, CONTEXT)  # type: ignore[operator] # one of four signatures
            continue
        with pytest.raises(Refusal) as refused:
            await method(request, CONTEXT)  # type: ignore[operator] # one of four signatures
        assert refused.value.reason == reason


async def test_anothers_ticket_is_answered_like_one_that_does_not_exist(game: Playing) -> None:
    become(Role.PLAYER)
    await place(game, order(7))
    become(Role.PLAYER, accounts=(THEIRS,))
    told = []
    for ticket_id in (request_id(7), request_id(8)):
        with pytest.raises(Refusal) as refused:
            await game.tickets.GetTicket(tickets.GetTicketRequest(ticket_id=ticket_id), CONTEXT)
        told.append((refused.value.reason, refused.value.message.replace(ticket_id, ""), refused.value.retry_in_ms))

    assert told[0] == told[1]


@pytest.mark.parametrize("method", ["GetAccount", "ListTransfers"])
async def test_anothers_account_is_answered_like_one_that_does_not_exist(game: Playing, method: str) -> None:
    game.ledger.accounts[THEIRS] = Account(account_id=THEIRS)
    become(Role.PLAYER, accounts=(MINE,))
    told = []
    for account_id in (THEIRS, MINE):
        with pytest.raises(Refusal) as refused:
            await getattr(game.accounts, method)(getattr(accounts, f"{method}Request")(account_id=account_id), CONTEXT)
        told.append((refused.value.reason, refused.value.message.replace(account_id, "")))

    assert told[0] == told[1]


async def test_a_tills_credit_is_its_floor_and_the_books_know_who_asked(game: Playing) -> None:
    become(Role.OPERATOR)
    request = accounts.CreateAccountRequest(
        request_id=MINE, kind=Account.CASHIER, currency="EUR", credit_limit_minor=5_000
    )
    await game.accounts.CreateAccount(request, CONTEXT)
    await game.accounts.CreditAccount(
        accounts.CreditAccountRequest(request_id=THEIRS, account_id=MINE, amount_minor=5, reason="float"), CONTEXT
    )

    assert game.ledger.asked[0]["floor_minor"] == -5_000
    assert [asked["actor"] for asked in game.ledger.asked] == ["somebody", "somebody"]


def taking_back(number: int, by: str = THEIRS) -> tickets.CancelTicketRequest:
    return tickets.CancelTicketRequest(request_id=by, ticket_id=request_id(number), reason="wrong runner")


@pytest.mark.parametrize(
    ("roles", "own", "may"),
    [
        ((Role.PLAYER,), (MINE,), True),
        ((Role.PLAYER,), (THEIRS,), False),
        ((Role.CASHIER,), (MINE,), True),
        ((Role.CASHIER,), (THEIRS,), False),
        ((Role.OPERATOR,), (), True),
    ],
)
async def test_who_takes_a_ticket_back(
    game: Playing, roles: tuple[Role.ValueType, ...], own: tuple[str, ...], may: bool
) -> None:
    become(Role.PLAYER)
    await place(game, order(7))
    become(*roles, accounts=own)
    if may:
        ticket = (await game.tickets.CancelTicket(taking_back(7), CONTEXT)).ticket
        assert (ticket.state, ticket.payout_minor) == (Ticket.CANCELLED, 10)
        return
    with pytest.raises(Refusal) as refused:
        await game.tickets.CancelTicket(taking_back(7), CONTEXT)

    assert refused.value.reason == Reason.TICKET_UNKNOWN
    assert "cancel" not in game.store.calls


async def test_a_ticket_that_is_taken_back_leaves_the_totals_of_its_round_and_is_shown_cancelled(game: Playing) -> None:
    become(Role.PLAYER)
    await place(game, order(7), order(8))
    await game.tickets.CancelTicket(taking_back(7), CONTEXT)
    again = await game.tickets.CancelTicket(taking_back(7), CONTEXT)

    assert again.ticket.state == Ticket.CANCELLED
    read = await game.tickets.GetTicket(tickets.GetTicketRequest(ticket_id=request_id(7)), CONTEXT)
    assert read.ticket == again.ticket
    current = await game.rounds.GetCurrentRound(rounds.GetCurrentRoundRequest(track=TRACK.track), CONTEXT)
    assert (current.round.totals.tickets, current.round.totals.stake_minor) == (1, 10)
    watcher = await game.hub.room(TRACK.track).watch(
        after=0, update_interval_ms=1_000, tick_interval_ms=0, on_mail=lambda: None
    )
    shown = rounds.WatchRoundsResponse.FromString(await taken(watcher.mailbox))
    assert shown.round.totals == current.round.totals


async def test_a_ticket_is_taken_back_once_and_not_after_the_lock(game: Playing) -> None:
    become(Role.PLAYER)
    await place(game, order(7), order(8))
    await game.tickets.CancelTicket(taking_back(7), CONTEXT)
    with pytest.raises(Refusal) as twice:
        await game.tickets.CancelTicket(taking_back(7, by=MINE), CONTEXT)
    await clock_of(game).run_for_ms(1_000)
    with pytest.raises(Refusal) as late:
        await game.tickets.CancelTicket(taking_back(8), CONTEXT)

    assert (twice.value.reason, late.value.reason) == (Reason.TICKET_STATE, Reason.ROUND_PHASE)


async def test_a_till_pays_a_ticket_of_any_till_once_and_with_its_own_account_only(game: Playing) -> None:
    become(Role.PLAYER)
    await place(game, order(7))
    game.store.claims[request_id(7)] = 25
    become(Role.CASHIER, accounts=(THEIRS,))
    told = []
    for till, request in ((MINE, 1), (THEIRS, 2), (THEIRS, 2), (THEIRS, 3)):
        paying = tickets.PayTicketRequest(request_id=request_id(request), ticket_id=request_id(7), account_id=till)
        try:
            answer = await game.tickets.PayTicket(paying, CONTEXT)
        except Refusal as refusal:
            told.append(Reason.Name(refusal.reason))
        else:
            told.append(f"{Ticket.State.Name(answer.ticket.state)} {answer.paid_minor}")

    assert told == ["ACCOUNT_NOT_YOURS", "PAID 25", "PAID 25", "TICKET_STATE"]


async def test_money_that_is_moved_by_hand_and_blocks_name_who_asked_and_why(game: Playing) -> None:
    game.ledger.accounts[MINE] = Account(account_id=MINE, balance_minor=100)
    become(Role.OPERATOR, accounts=())
    same: dict[str, Any] = {"request_id": THEIRS, "account_id": MINE, "reason": "counted"}
    paid_out = await game.accounts.PayOutAccount(accounts.PayOutAccountRequest(amount_minor=30, **same), CONTEXT)
    adjusted = await game.accounts.AdjustAccount(accounts.AdjustAccountRequest(amount_minor=-5, **same), CONTEXT)
    balances = [paid_out.account.balance_minor, adjusted.account.balance_minor]
    blocked = (await game.accounts.BlockAccount(accounts.BlockAccountRequest(**same), CONTEXT)).account.blocked
    unblocked = (await game.accounts.UnblockAccount(accounts.UnblockAccountRequest(**same), CONTEXT)).account.blocked

    assert balances == [70, 65]
    assert (blocked, unblocked) == (True, False)
    assert {(asked["request_id"], asked["reason"], asked["actor"]) for asked in game.ledger.asked} == {
        (THEIRS, "counted", "somebody")
    }


async def test_a_statement_comes_by_the_page_and_is_passed_on_as_it_is(game: Playing) -> None:
    game.ledger.accounts[MINE] = Account(account_id=MINE)
    game.ledger.statements[MINE] = [Transfer(transfer_id=2, amount_minor=-5), Transfer(transfer_id=1, amount_minor=5)]
    become(Role.PLAYER)
    for wanted, asked in ((0, 50), (7, 7), (9_999, 500)):
        request = accounts.ListTransfersRequest(account_id=MINE, page_size=wanted, page_token="t")
        page = await game.accounts.ListTransfers(request, CONTEXT)
        assert game.ledger.asked[-1] == {"page_size": asked, "page_token": "t"}

    assert list(page.transfers) == game.ledger.statements[MINE]
    assert page.next_page_token == "more"


async def test_the_trial_balance_is_that_of_the_round_asked_for(game: Playing) -> None:
    answer = await game.accounts.GetTrialBalance(accounts.GetTrialBalanceRequest(round_id=17), CONTEXT)

    assert answer.trial_balance.rows[0].accounts == 17


async def test_a_stopped_track_is_told_so_and_goes_on_when_it_is_resumed(game: Playing) -> None:
    become(Role.OPERATOR)
    same: dict[str, Any] = {"request_id": MINE, "track": TRACK.track, "reason": "rain"}
    paused = (await game.track_service.PauseTrack(tracks.PauseTrackRequest(**same), CONTEXT)).track
    read = (await game.track_service.GetTrack(tracks.GetTrackRequest(track=TRACK.track), CONTEXT)).track
    await clock_of(game).run_for_ms(60_000)
    stopped = await game.rounds.GetCurrentRound(rounds.GetCurrentRoundRequest(track=TRACK.track), CONTEXT)
    resumed = (await game.track_service.ResumeTrack(tracks.ResumeTrackRequest(**same), CONTEXT)).track
    await clock_of(game).settle()
    current = await game.rounds.GetCurrentRound(rounds.GetCurrentRoundRequest(track=TRACK.track), CONTEXT)

    assert (paused.state, read.state, resumed.state) == (Track.PAUSED, Track.PAUSED, Track.RUNNING)
    assert (stopped.round.round_id, stopped.round.phase) == (1, Round.SETTLED)
    assert (current.round.round_id, current.round.phase) == (2, Round.OPEN)


async def test_a_suspended_track_takes_no_ticket(game: Playing) -> None:
    become(Role.OPERATOR, Role.PLAYER)
    request = tracks.SuspendTrackRequest(request_id=MINE, track=TRACK.track, reason="loose horse")
    suspended = (await game.track_service.SuspendTrack(request, CONTEXT)).track
    [result] = await place(game, order(7))

    assert suspended.state == Track.SUSPENDED
    assert result.verdict == TicketResult.SUSPENDED


async def test_a_suspended_runner_is_shown_and_refused_and_sold_when_it_goes_on(game: Playing) -> None:
    become(Role.OPERATOR, Role.PLAYER)
    about: dict[str, Any] = {"request_id": MINE, "track": TRACK.track, "runner": 1, "reason": "lame"}
    stopped = (await game.track_service.SuspendSelling(tracks.SuspendSellingRequest(**about), CONTEXT)).track
    lame, sound = await place(game, order(7), order(8, runner=2))
    going_on = (await game.track_service.ResumeSelling(tracks.ResumeSellingRequest(**about), CONTEXT)).track
    [better] = await place(game, order(9))

    assert [(each.runner, each.round_id, each.reason) for each in stopped.suspended] == [(1, 1, "lame")]
    assert (lame.verdict, sound.verdict) == (TicketResult.SUSPENDED, TicketResult.ACCEPTED)
    assert (len(going_on.suspended), better.verdict) == (0, TicketResult.ACCEPTED)


@pytest.mark.parametrize(
    ("of_token", "named", "sold_at"),
    [("", "", ""), ("", "till-3", "till-3"), ("till-4", "", "till-4"), ("till-4", "till-4", "till-4")],
)
async def test_a_ticket_keeps_the_terminal_of_the_token_or_the_one_that_is_named(
    game: Playing, of_token: str, named: str, sold_at: str
) -> None:
    become(Role.PLAYER, terminal=of_token)
    request = tickets.PlaceTicketsRequest(round_id=1, tickets=[order(7)], terminal=named)
    [result] = (await game.tickets.PlaceTickets(request, CONTEXT)).results

    assert result.ticket.terminal == sold_at
    assert (await game.store.ticket(result.request_id)).terminal == sold_at


async def test_another_terminal_than_the_tokens_refuses_the_whole_call(game: Playing) -> None:
    become(Role.PLAYER, terminal="till-4")
    for request in (tickets.PlaceTicketsRequest, tickets.StreamTicketsRequest):
        method = getattr(game.tickets, request.__name__.removesuffix("Request"))
        with pytest.raises(Refusal) as refused:
            await method(request(round_id=1, tickets=[order(7)], terminal="till-3"), CONTEXT)
        assert refused.value.reason == Reason.TERMINAL_NOT_YOURS


@pytest.mark.parametrize(("of_token", "named", "listed"), [("till-4", "", "till-4"), ("till-4", "till-4", "till-4")])
async def test_a_watcher_is_listed_as_the_terminal_of_its_token(
    game: Playing, of_token: str, named: str, listed: str
) -> None:
    become(Role.CASHIER, terminal=of_token)
    watching = asyncio.create_task(watch(game, named))
    await clock_of(game).settle()
    terminals = game.hub.room(TRACK.track).presence.listed()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert [each.terminal for each in terminals] == [listed]


async def test_a_watcher_that_names_another_terminal_than_its_tokens_is_refused(game: Playing) -> None:
    become(Role.CASHIER, terminal="till-4")
    with pytest.raises(Refusal) as refused:
        await asyncio.wait_for(watch(game, "till-3"), timeout=5)

    assert refused.value.reason == Reason.TERMINAL_NOT_YOURS
    assert game.hub.room(TRACK.track).watchers == 0


class Screen:
    """The context of a watch that takes every frame."""

    async def write(self, frame: bytes) -> None:
        pass


async def watch(game: Playing, terminal: str) -> None:
    await game.rounds.WatchRounds(rounds.WatchRoundsRequest(track=TRACK.track, terminal=terminal), Screen())


async def test_settings_change_from_the_next_round_on(game: Playing) -> None:
    become(Role.OPERATOR)
    times = Timetable(betting_window_ms=5_000, lock_ms=200, race_ms=300, finish_ms=400)
    request = tracks.UpdateTrackRequest(
        request_id=MINE, track=TRACK.track, display_name="New", timetable=times, return_bps=8_000, reason="summer"
    )
    changed = (await game.track_service.UpdateTrack(request, CONTEXT)).track
    before = (await game.store.round(1)).round
    await clock_of(game).run_for_ms(2_500)
    after = (await game.store.round(2)).round

    assert (changed.display_name, changed.timetable, changed.return_bps) == ("New", times, 8_000)
    assert (changed.limits.stake_min_minor, changed.state) == (TRACK.limits.stake_min_minor, Track.RUNNING)
    assert (before.return_bps, after.return_bps) == (TRACK.return_bps, 8_000)
    assert after.schedule.locks_at_ms - after.schedule.opens_at_ms == 5_000
    assert after.schedule.starts_at_ms - after.schedule.locks_at_ms == 200


async def test_no_track_is_made_or_changed_to_take_a_beacon_that_is_not_asked(game: Playing) -> None:
    become(Role.OPERATOR)
    program = ProgramMessage(beacon="nobody")
    asked = Track(track="by-the-stars", display_name="Stars", currency="EUR", program=program)
    with pytest.raises(Refusal) as made:
        await game.track_service.CreateTrack(tracks.CreateTrackRequest(request_id=MINE, track=asked), CONTEXT)
    change = tracks.UpdateTrackRequest(request_id=MINE, track=TRACK.track, program=program, reason="summer")
    with pytest.raises(Refusal) as changed:
        await game.track_service.UpdateTrack(change, CONTEXT)

    assert [each.value.reason for each in (made, changed)] == [Reason.MALFORMED] * 2
    fields = [violation.field for each in (made, changed) for violation in each.value.violations]
    assert fields == ["track.program.beacon", "program.beacon"]


async def test_the_proof_comes_with_the_end_of_the_race_and_not_before(game: Playing) -> None:
    request = rounds.GetRoundProofRequest(round_id=1)
    for ms in (0, 1_000, 100, 850):
        await clock_of(game).run_for_ms(ms)
        with pytest.raises(Refusal) as refused:
            await game.rounds.GetRoundProof(request, CONTEXT)
        assert refused.value.reason == Reason.PROOF_NOT_READY
    await clock_of(game).run_for_ms(50)
    proof = (await game.rounds.GetRoundProof(request, CONTEXT)).proof

    seed = bytes.fromhex(proof.server_seed)
    key = model.key(seed, proof.track, proof.round_id, proof.beacon, proof.tickets_root)
    field = [(runner.runner, runner.weight) for runner in proof.runners]
    assert model.commitment(seed) == proof.commitment
    assert model.finishing_order(field, model.words(key)) == list(proof.result)


async def test_a_void_round_has_no_proof(game: Playing) -> None:
    become(Role.OPERATOR)
    await game.track_service.VoidRound(tracks.VoidRoundRequest(request_id=MINE, round_id=1, reason="rain"), CONTEXT)

    with pytest.raises(Refusal) as refused:
        await game.rounds.GetRoundProof(rounds.GetRoundProofRequest(round_id=1), CONTEXT)
    assert refused.value.metadata == {"phase": "VOID"}


async def test_a_round_shows_its_race_when_it_runs_and_not_before(game: Playing) -> None:
    asked, current = rounds.GetRoundRequest(round_id=1), rounds.GetCurrentRoundRequest(track=TRACK.track)
    for ms, phase in ((0, Round.OPEN), (1_000, Round.LOCKED)):
        await clock_of(game).run_for_ms(ms)
        for shown in (await game.rounds.GetRound(asked, CONTEXT), await game.rounds.GetCurrentRound(current, CONTEXT)):
            assert (shown.round.phase, shown.round.HasField("race")) == (phase, False)
    await clock_of(game).run_for_ms(100)
    running = (await game.rounds.GetRound(asked, CONTEXT)).round
    assert (await game.rounds.GetCurrentRound(current, CONTEXT)).round == running
    await clock_of(game).run_for_ms(900)
    over = (await game.rounds.GetRound(asked, CONTEXT)).round
    proof = (await game.rounds.GetRoundProof(rounds.GetRoundProofRequest(round_id=1), CONTEXT)).proof

    key = race_model.key(bytes.fromhex(proof.server_seed), proof.track, proof.round_id)
    race = race_model.race(key, proof.result, [], TRACK.timetable.race_ms)
    assert (
        MessageToDict(running.race, preserving_proto_field_name=True, always_print_fields_with_no_presence=True) == race
    )
    assert over.race == running.race


async def test_rounds_are_listed_without_their_races(game: Playing) -> None:
    await clock_of(game).run_for_ms(2_500 * 2)

    page = await game.rounds.ListRounds(rounds.ListRoundsRequest(track=TRACK.track), CONTEXT)

    assert any(round_.result for round_ in page.rounds)
    assert not any(round_.HasField("race") for round_ in page.rounds)


async def test_an_entered_result_has_no_proof_and_the_refusal_says_why(game: Playing) -> None:
    await clock_of(game).run_for_ms(2_000)
    stored = await game.store.round(1)
    entered = replace(stored.round, terms=Terms(source=Source.ENTERED))
    game.store._rounds[1] = replace(stored, round=entered)

    with pytest.raises(Refusal) as refused:
        await game.rounds.GetRoundProof(rounds.GetRoundProofRequest(round_id=1), CONTEXT)
    assert (refused.value.reason, refused.value.metadata) == (Reason.RESULT_SOURCE, {"source": "ENTERED"})


async def test_the_seed_chains_of_a_track_are_told_without_what_is_sealed(game: Playing) -> None:
    await clock_of(game).run_for_ms(0)
    (chain,) = (
        await game.track_service.ListSeedChains(tracks.ListSeedChainsRequest(track="harbour-mile"), CONTEXT)
    ).chains
    round_ = (await game.store.round(1)).round

    assert (chain.chain_no, chain.used, chain.length) == (1, 1, 50)
    assert chain.anchor == round_.terms.seed_anchor == round_.commitment


async def settled_with_a_ticket(game: Playing) -> tuple[int, ...]:
    """Round 1 is settled, with a ticket on it; its result."""
    become(Role.PLAYER)
    await place(game, order(7))
    await clock_of(game).run_for_ms(2_000)
    stored = await game.store.round(1)
    assert (stored.round.phase.name, stored.posting) == ("SETTLED", False)
    return stored.round.result


def correction(result: Sequence[int]) -> tracks.CorrectResultRequest:
    return tracks.CorrectResultRequest(request_id=MINE, round_id=1, result=result, reason="photo finish")


async def test_a_corrected_result_is_answered_shown_and_paid_for(game: Playing) -> None:
    drawn = await settled_with_a_ticket(game)
    right = (*drawn[1:], drawn[0])
    become(Role.OPERATOR)
    watcher = await game.hub.room(TRACK.track).watch(
        after=5, update_interval_ms=10_000, tick_interval_ms=0, on_mail=lambda: None
    )
    corrected = (await game.track_service.CorrectResult(correction(right), CONTEXT)).round
    await taken(watcher.mailbox)
    frame = rounds.WatchRoundsResponse.FromString(await taken(watcher.mailbox))
    assert (frame.kind, list(frame.round.result)) == (rounds.WatchRoundsResponse.TRANSITION, list(right))
    assert (corrected.phase, list(corrected.result)) == (Round.SETTLED, list(right))
    assert corrected.correction_reason == "photo finish"
    assert not (await game.store.round(1)).posting


async def test_the_proof_of_a_corrected_round_is_that_of_the_draw(game: Playing) -> None:
    drawn = await settled_with_a_ticket(game)
    become(Role.OPERATOR)
    request = rounds.GetRoundProofRequest(round_id=1)
    before = (await game.rounds.GetRoundProof(request, CONTEXT)).proof
    await game.track_service.CorrectResult(correction(drawn[::-1]), CONTEXT)
    after = (await game.rounds.GetRoundProof(request, CONTEXT)).proof

    assert after == before
    assert list(after.result) == list(drawn)


async def test_money_that_an_operators_call_cannot_move_is_left_to_the_keeper(game: Playing) -> None:
    drawn = await settled_with_a_ticket(game)
    game.store.posting_turns = 2
    down = Refusal(Reason.DEPENDENCY_DOWN, "down")
    game.store.fail("post_settlement", down, down)
    become(Role.OPERATOR)
    corrected = (await game.track_service.CorrectResult(correction(drawn[::-1]), CONTEXT)).round
    assert corrected.correction_reason == "photo finish"
    assert (await game.store.round(1)).posting
    await clock_of(game).run_for_ms(2_000)
    assert not (await game.store.round(1)).posting


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"result": (1, 2)}, "result"),
        ({"result": (1, 2), "withdrawn": (3,)}, "withdrawn"),
        ({"result": (1, 2, 4), "positions": (1, 1, 2)}, "positions"),
    ],
)
async def test_a_correction_that_does_not_fit_the_round_names_the_field(
    game: Playing, fields: dict[str, Sequence[int]], wrong: str
) -> None:
    await settled_with_a_ticket(game)
    become(Role.OPERATOR)
    request = tracks.CorrectResultRequest(request_id=MINE, round_id=1, reason="photo finish", **fields)
    with pytest.raises(Refusal) as refused:
        await game.track_service.CorrectResult(request, CONTEXT)
    assert (refused.value.reason, [each.field for each in refused.value.violations]) == (Reason.MALFORMED, [wrong])
    assert "correct_result" not in game.store.calls


async def test_a_correction_may_bring_a_dead_heat(game: Playing) -> None:
    drawn = await settled_with_a_ticket(game)
    become(Role.OPERATOR)
    request = correction(drawn)
    request.positions.extend((1, 1, 3))
    corrected = (await game.track_service.CorrectResult(request, CONTEXT)).round
    assert (list(corrected.result), list(corrected.positions)) == (list(drawn), [1, 1, 3])


def entry(**fields: Any) -> tracks.EnterResultRequest:
    made: dict[str, Any] = {"request_id": MINE, "round_id": 1, "result": (4, 1, 2), "reason": "seen at the rails"}
    return tracks.EnterResultRequest(**(made | fields))


async def test_an_entered_result_is_answered_shown_and_the_race_starts(far_off: Playing) -> None:
    become(Role.OPERATOR)
    await clock_of(far_off).run_for_ms(60_000)
    stored = await far_off.store.round(1)
    assert stored.round.awaits_result
    watcher = await far_off.hub.room(TRACK.track).watch(
        after=2, update_interval_ms=10_000, tick_interval_ms=0, on_mail=lambda: None
    )
    request = entry(result=(4, 1), positions=(1, 1), withdrawn=(2,))
    running = (await far_off.track_service.EnterResult(request, CONTEXT)).round
    await taken(watcher.mailbox)
    frame = rounds.WatchRoundsResponse.FromString(await taken(watcher.mailbox))
    assert (frame.kind, frame.round) == (rounds.WatchRoundsResponse.TRANSITION, running)
    assert (running.phase, running.screen) == (Round.RUNNING, Round.MOVIE)
    assert (list(running.result), list(running.positions), list(running.withdrawn)) == ([4, 1], [1, 1], [2])
    assert running.starts_at.ToMilliseconds() == clock_of(far_off).now_ms()
    await clock_of(far_off).run_for_ms(TRACK.timetable.race_ms)
    assert (await far_off.store.round(1)).round.phase.name == "SETTLED"


async def test_the_result_of_a_drawn_round_is_not_entered(game: Playing) -> None:
    become(Role.OPERATOR)
    with pytest.raises(Refusal) as refused:
        await game.track_service.EnterResult(entry(), CONTEXT)
    assert refused.value.reason == Reason.RESULT_SOURCE
    assert refused.value.metadata == {"source": "DRAWN"}
    assert "enter_result" not in game.store.calls


async def test_a_result_is_entered_neither_before_the_lock_nor_before_its_time_nor_after_another(
    far_off: Playing,
) -> None:
    become(Role.OPERATOR)
    service = far_off.track_service

    async def reason(**fields: Any) -> Reason.ValueType:
        with pytest.raises(Refusal) as refused:
            await service.EnterResult(entry(**fields), CONTEXT)
        return refused.value.reason

    assert await reason() == Reason.ROUND_PHASE
    await clock_of(far_off).run_for_ms(TRACK.timetable.betting_window_ms)
    assert await reason() == Reason.TOO_EARLY
    await clock_of(far_off).run_for_ms(TRACK.timetable.lock_ms)
    assert await reason(result=(4, 1)) == Reason.MALFORMED
    await service.EnterResult(entry(), CONTEXT)
    again = await service.EnterResult(entry(request_id=THEIRS), CONTEXT)
    assert again.round.phase == Round.RUNNING, "the same result is no other one"
    assert await reason(result=(1, 2, 4)) == Reason.ROUND_PHASE


async def test_of_an_entered_result_there_is_no_proof(far_off: Playing) -> None:
    with pytest.raises(Refusal) as refused:
        await far_off.rounds.GetRoundProof(rounds.GetRoundProofRequest(round_id=1), CONTEXT)
    assert refused.value.reason == Reason.RESULT_SOURCE
    assert refused.value.metadata == {"source": "ENTERED"}


async def test_a_round_that_is_not_settled_is_not_corrected(game: Playing) -> None:
    become(Role.OPERATOR)
    with pytest.raises(Refusal) as refused:
        await game.track_service.CorrectResult(correction((1, 2, 3)), CONTEXT)
    assert refused.value.reason == Reason.ROUND_PHASE


async def test_voiding_a_round_with_tickets_gives_the_stakes_back_at_once(game: Playing) -> None:
    become(Role.OPERATOR, Role.PLAYER)
    await place(game, order(7))
    await game.track_service.VoidRound(tracks.VoidRoundRequest(request_id=MINE, round_id=1, reason="rain"), CONTEXT)
    assert not (await game.store.round(1)).posting


async def test_voiding_a_round_opens_the_next_one_at_once(game: Playing) -> None:
    become(Role.OPERATOR)
    request = tracks.VoidRoundRequest(request_id=MINE, round_id=1, reason="rain")
    voided = (await game.track_service.VoidRound(request, CONTEXT)).round
    await clock_of(game).settle()

    assert (voided.phase, voided.void_reason) == (Round.VOID, "rain")
    current = await game.rounds.GetCurrentRound(rounds.GetCurrentRoundRequest(track=TRACK.track), CONTEXT)
    assert (current.round.round_id, current.round.phase, current.round.screen) == (2, Round.OPEN, Round.GAME)


async def test_rounds_are_listed_the_newest_first_page_by_page(game: Playing) -> None:
    await clock_of(game).run_for_ms(2_500 * 24)
    seen: list[int] = []
    token = ""
    while True:
        request = rounds.ListRoundsRequest(track=TRACK.track, page_token=token)
        page = await game.rounds.ListRounds(request, CONTEXT)
        seen += [round_.round_id for round_ in page.rounds]
        token = page.next_page_token
        if not token:
            break

    assert seen == list(range(25, 0, -1))


async def test_a_track_takes_the_defaults_for_what_is_left_open(game: Playing) -> None:
    bare = Track(track="bare", display_name="Bare", currency="EUR")
    track = (
        await game.track_service.CreateTrack(tracks.CreateTrackRequest(request_id=MINE, track=bare), CONTEXT)
    ).track

    assert track.return_bps == DEFAULT_RETURN_BPS
    assert track.timetable.betting_window_ms == DEFAULT_TIMETABLE.betting_window_ms
    assert track.limits.stake_max_minor == DEFAULT_LIMITS.stake_max_minor
    assert track.state == Track.RUNNING


async def test_a_new_track_opens_as_soon_as_it_has_a_card(game: Playing) -> None:
    bare = Track(track="bare", display_name="Bare", currency="EUR")
    await game.track_service.CreateTrack(tracks.CreateTrackRequest(request_id=MINE, track=bare), CONTEXT)
    await clock_of(game).settle()
    runners = [Runner(runner=1, name="a", weight=1), Runner(runner=2, name="b", weight=1)]
    card = RaceCard(name="Race", distance_m=1_200, runners=runners)
    request = tracks.ImportRaceCardsRequest(request_id=MINE, track="bare", cards=[card])
    answer = await game.track_service.ImportRaceCards(request, CONTEXT)
    await clock_of(game).settle()

    assert (answer.cards_added, answer.cards_replaced) == (1, 0)
    current = await game.rounds.GetCurrentRound(rounds.GetCurrentRoundRequest(track="bare"), CONTEXT)
    assert current.round.race_name == "Race"


async def test_a_card_with_a_runner_that_cannot_be_priced_is_refused_by_name(game: Playing) -> None:
    runners = [Runner(runner=1, name="a", weight=99), Runner(runner=2, name="b", weight=1)]
    card = RaceCard(name="Walkover", distance_m=1_200, runners=runners)
    request = tracks.ImportRaceCardsRequest(request_id=MINE, track=TRACK.track, cards=[card])

    with pytest.raises(Refusal, match="Walkover: runner 1 is so strong") as refused:
        await game.track_service.ImportRaceCards(request, CONTEXT)
    assert [violation.field for violation in refused.value.violations] == ["cards[0].runners"]
    assert game.store.calls.count("put_cards") == 1, "only the fixture's own"


@pytest.mark.parametrize("method", ["GetRound", "GetRoundProof"])
async def test_a_round_that_does_not_exist_is_unknown(game: Playing, method: str) -> None:
    request = getattr(rounds, f"{method}Request")(round_id=99)

    with pytest.raises(Refusal) as refused:
        await getattr(game.rounds, method)(request, CONTEXT)
    assert refused.value.reason == Reason.ROUND_UNKNOWN


async def test_tickets_of_an_account_are_listed_the_newest_first(game: Playing) -> None:
    become(Role.PLAYER)
    await place(game, *[order(number) for number in range(60)])
    page = await game.tickets.ListTickets(tickets.ListTicketsRequest(account_id=MINE), CONTEXT)
    request = tickets.ListTicketsRequest(account_id=MINE, page_token=page.next_page_token)
    rest = await game.tickets.ListTickets(request, CONTEXT)

    seen = [ticket.ticket_id for ticket in (*page.tickets, *rest.tickets)]
    assert len(page.tickets) == 50
    assert seen == [request_id(number) for number in reversed(range(60))]
    assert rest.next_page_token == ""


# Prices that move

NEW_PRICE = Price(market=Line.WIN, runner=1, price_hundredths=250)


def new_prices(number: int, *prices: Price, round_id: int = 1) -> tracks.SetPricesRequest:
    return tracks.SetPricesRequest(request_id=request_id(number), round_id=round_id, prices=prices, reason="money")


@pytest.fixture
async def moving(game: Playing) -> Playing:
    """A game whose round's result will be entered."""
    await game.store.make_entered(1)
    return game


async def test_prices_that_an_operator_sets_are_sold_and_shown_at_once(moving: Playing) -> None:
    become(Role.OPERATOR)
    watcher = await moving.hub.room(TRACK.track).watch(
        after=0, update_interval_ms=10_000, tick_interval_ms=0, on_mail=lambda: None
    )
    await taken(watcher.mailbox)
    answered = (await moving.track_service.SetPrices(new_prices(900, NEW_PRICE), CONTEXT)).round
    frame = rounds.WatchRoundsResponse.FromString(await taken(watcher.mailbox))
    become(Role.PLAYER)
    [placed] = await place(moving, order(1))

    assert (frame.kind, frame.round.price_revision) == (rounds.WatchRoundsResponse.UPDATE, 1)
    assert [each.runners[0].win_price_hundredths for each in (answered, frame.round)] == [250, 250]
    assert [line.price_hundredths for line in placed.ticket.lines] == [250]


async def test_a_quote_is_answered_with_its_lines_and_its_end(moving: Playing) -> None:
    become(Role.PLAYER)
    asked = [Line(market=Line.WIN, runners=[1], stake_minor=10, price_hundredths=9_999)]
    quoted = await moving.tickets.Quote(tickets.QuoteRequest(round_id=1, lines=asked), CONTEXT)
    become(Role.OPERATOR)
    await moving.track_service.SetPrices(new_prices(900, NEW_PRICE), CONTEXT)
    become(Role.PLAYER)
    sent = order(1)
    sent.quote = quoted.quote
    other = order(2)
    other.lines[0].stake_minor = 11
    other.quote = quoted.quote
    held, refused = await place(moving, sent, other)

    assert quoted.lines[0].price_hundredths not in (0, 250, 9_999)
    assert list(held.ticket.lines) == list(quoted.lines) == list(quoted.parts)
    assert (refused.verdict, refused.ticket.lines[:]) == (TicketResult.PRICE_CHANGED, [])


async def test_the_prices_of_a_drawn_round_are_fixed(game: Playing) -> None:
    become(Role.OPERATOR)
    with pytest.raises(Refusal) as refused:
        await game.track_service.SetPrices(new_prices(900, NEW_PRICE), CONTEXT)
    assert refused.value.reason == Reason.PRICES_FIXED
    assert not any(method == "set_prices" for method, _ in game.store.writes)
