"""What the game may believe of its store. The same tests judge persist and the small one that unit tests use."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult

from services.chassis.refusal import Refusal
from services.game.domain.card import RaceCard
from services.game.domain.draw import commitment, finishing_order
from services.game.domain.order import NO_REVISION, Line, Market, Order, content_hash, judge, offer_of
from services.game.domain.phase import Phase
from services.game.domain.prices import priced
from services.game.domain.round import StoredRound, Terms
from services.game.domain.track import Source, Timetable, TrackState
from services.game.domain.winners import winners
from services.game.ports import Placing, Price
from tests.contract.game.conftest import Store
from tests.rounds import CARD, TRACK

T = TRACK.track
BRIEF = replace(TRACK, timetable=Timetable(betting_window_ms=1_000, lock_ms=100, race_ms=100, finish_ms=100))
LONG = replace(TRACK, timetable=Timetable(betting_window_ms=60_000, lock_ms=100, race_ms=100, finish_ms=100))

TERMS = Terms(source=Source.DRAWN, places=2, place_return_bps=9_000, seed_anchor="ab" * 32, seed_index=7)


async def reason_of(call: Awaitable[object]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await call
    return refused.value


class Leader:
    """Somebody who holds the track's lease and runs rounds by hand."""

    def __init__(self, store: Store, epoch: int) -> None:
        self.store = store
        self.epoch = epoch
        self.seed = b""

    async def open(self, seed: bytes = b"s" * 32) -> StoredRound:
        track = await self.store.rounds.track(T)
        card = await self.store.rounds.next_card(T)
        opened = await self.store.rounds.open_round(
            request_id=uuid7(),
            track=track,
            epoch=self.epoch,
            card=replace(card, runners=priced(card.runners, track.return_bps)),
            commitment=commitment(seed),
            sealed_seed=b"sealed " + seed,
            terms=TERMS,
            locks_at_ms=0,
        )
        self.seed = seed
        return opened

    async def lock(self, stored: StoredRound) -> StoredRound:
        await wait_until(stored.round.schedule.locks_at_ms)
        ids = {"request_id": uuid7(), "round_id": stored.round.round_id, "epoch": self.epoch}
        return await self.store.rounds.lock_round(**ids)  # type: ignore[arg-type] # a table of strings and numbers

    async def start(self, stored: StoredRound) -> StoredRound:
        await wait_until(stored.round.schedule.starts_at_ms)
        result = finishing_order(stored.round.runners, iter([0] * 40))
        return await self.store.rounds.start_race(
            request_id=uuid7(),
            round_id=stored.round.round_id,
            epoch=self.epoch,
            result=result,
            server_seed=self.seed,
        )

    async def finish(self, stored: StoredRound) -> StoredRound:
        await wait_until(stored.round.schedule.finishes_at_ms)
        return await self.store.rounds.finish_round(
            request_id=uuid7(), round_id=stored.round.round_id, epoch=self.epoch
        )

    async def settle(self, stored: StoredRound) -> StoredRound:
        return await self.store.rounds.settle_round(
            request_id=uuid7(),
            round_id=stored.round.round_id,
            epoch=self.epoch,
            winners=winners(stored.round.result),
        )

    async def void(self, stored: StoredRound, reason: str = "rain", epoch: int = 0) -> StoredRound:
        return await self.store.rounds.void_round(
            request_id=uuid7(), round_id=stored.round.round_id, epoch=epoch, reason=reason, actor="operator"
        )


async def wait_until(at_ms: int) -> None:
    await asyncio.sleep(max(at_ms / 1_000 - time.time() + 0.002, 0))


async def lead(store: Store, track: object = BRIEF, cards: Sequence[RaceCard] = (CARD,)) -> Leader:
    assert isinstance(track, type(BRIEF))
    await store.tracks.create_track(request_id=uuid7(), track=track)
    if cards:
        named = [replace(card, card_id=0) for card in cards]
        await store.tracks.put_cards(request_id=uuid7(), track=T, cards=named)
    epoch = await store.leases.acquire(request_id=uuid7(), track=T, holder="contract", ttl_ms=60_000)
    return Leader(store, epoch)


def placing(stored: StoredRound, account_id: str, *, request_id: str = "", runner: int = 1) -> Placing:
    line = Line(market=1, runners=(runner,), stake_minor=10, price_hundredths=0)
    order = Order(request_id=request_id or uuid7(), account_id=account_id, lines=(line,))
    return Placing(
        order=order,
        judgement=judge(order, offer_of(stored.round)),
        content_hash=content_hash(stored.round.round_id, order),
    )


# Rounds


async def test_a_round_runs_through_its_phases_and_its_history_has_no_gaps(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    locked = await leader.lock(opened)
    running = await leader.start(locked)
    finished = await leader.finish(running)
    settled = await leader.settle(finished)

    steps = [opened, locked, running, finished, settled]
    assert [step.round.phase for step in steps] == list(Phase)[:5]
    assert [step.round.revision for step in steps] == [1, 2, 3, 4, 5]
    assert [bool(step.round.tickets_root) for step in steps] == [False, True, True, True, True]
    assert [bool(step.server_seed) for step in steps] == [False, False, True, True, True]
    assert [step.sealed_seed for step in steps] == [opened.sealed_seed] * 5
    assert [step.round.terms for step in steps] == [TERMS] * 5
    history = await store.rounds.transitions(T, 0, 100)
    assert (list(history.items), history.latest) == (steps, 5)
    assert list((await store.rounds.transitions(T, 3, 1)).items) == [finished]
    assert await store.rounds.round(opened.round.round_id) == settled


async def test_a_schedule_follows_the_timetable(store: Store) -> None:
    leader = await lead(store)
    schedule = (await leader.open()).round.schedule

    assert schedule.locks_at_ms - schedule.opens_at_ms == 1_000
    assert schedule.starts_at_ms - schedule.locks_at_ms == 100
    assert schedule.finishes_at_ms - schedule.starts_at_ms == 100
    assert schedule.ends_at_ms - schedule.finishes_at_ms == 100


async def test_no_transition_comes_before_its_time(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    ids = {"request_id": uuid7(), "round_id": opened.round.round_id, "epoch": leader.epoch}
    refusal = await reason_of(store.rounds.lock_round(**ids))  # type: ignore[arg-type] # strings and numbers

    assert refusal.reason == Reason.TOO_EARLY
    assert refusal.retry_in_ms is not None
    assert 0 < refusal.retry_in_ms <= 1_000
    again = await leader.lock(opened)
    assert again.round.phase is Phase.LOCKED, "the same round may be locked when its time has come"


async def test_a_phase_is_never_skipped_and_never_goes_back(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    await wait_until(opened.round.schedule.finishes_at_ms)
    assert (await reason_of(leader.finish(opened))).reason == Reason.ROUND_PHASE
    assert (await reason_of(leader.start(replace(opened)))).reason == Reason.ROUND_PHASE
    locked = await leader.lock(opened)
    running = await leader.start(locked)
    assert (await reason_of(leader.void(running))).reason == Reason.ROUND_PHASE
    assert (await reason_of(leader.settle(running))).reason == Reason.ROUND_PHASE
    assert await leader.lock(opened) == running, "what is durable already is answered as it is now"


async def test_a_transition_asked_for_again_answers_the_round_as_it_is(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    locked = await leader.lock(opened)
    assert await leader.lock(opened) == locked
    running = await leader.start(locked)
    assert await leader.start(locked) == running
    finished = await leader.finish(running)
    settled = await leader.settle(finished)
    assert await leader.settle(finished) == settled

    assert (await store.rounds.transitions(T, 0, 100)).latest == 5


async def test_a_stale_epoch_changes_nothing(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    await store.leases.release(request_id=uuid7(), track=T, holder="contract", epoch=leader.epoch)
    await store.leases.acquire(request_id=uuid7(), track=T, holder="another", ttl_ms=60_000)

    assert (await reason_of(leader.lock(opened))).reason == Reason.EPOCH_STALE
    assert (await reason_of(leader.open(b"t" * 32))).reason == Reason.EPOCH_STALE
    assert (await store.rounds.current_round(T)) == opened


async def test_the_next_round_waits_for_the_race_and_not_for_the_settlement(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    assert (await reason_of(leader.open(b"t" * 32))).reason == Reason.ROUND_PHASE
    finished = await leader.finish(await leader.start(await leader.lock(opened)))
    second = await leader.open(b"t" * 32)
    settled = await leader.settle(finished)

    assert second.round.round_id > opened.round.round_id
    assert (second.round.transition_seq, settled.round.transition_seq) == (5, 6)
    assert await store.rounds.current_round(T) == second
    assert await store.rounds.unsettled_rounds(T) == [second]


async def test_an_operator_voids_before_the_draw_and_the_next_round_may_open(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    voided = await leader.void(opened)

    assert (voided.round.phase, voided.round.void_reason) == (Phase.VOID, "rain")
    assert voided.round.result == ()
    assert (await leader.open(b"t" * 32)).round.phase is Phase.OPEN
    assert [stored.round.phase for stored in await store.rounds.unsettled_rounds(T)] == [Phase.OPEN]


async def posted(store: Store, stored: StoredRound) -> StoredRound:
    while stored.posting:
        stored = await store.rounds.post_settlement(stored.round.round_id)
    return stored


async def test_a_settlement_is_decided_and_then_posted_by_whoever_asks(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id)])
    finished = await leader.finish(await leader.start(await leader.lock(opened)))
    assert (await reason_of(store.rounds.post_settlement(opened.round.round_id))).reason == Reason.ROUND_PHASE
    decided = await leader.settle(finished)
    assert (decided.round.phase, decided.posting) == (Phase.FINISHED, True)
    assert [each.posting for each in await store.rounds.unsettled_rounds(T)] == [True]
    assert (await leader.settle(finished)).posting
    settled = await posted(store, decided)
    assert (settled.round.phase, settled.posting) == (Phase.SETTLED, False)
    assert await store.rounds.unsettled_rounds(T) == []
    assert await store.rounds.post_settlement(opened.round.round_id) == settled
    history = await store.rounds.transitions(T, 0, 100)
    assert [step.round.phase for step in history.items] == list(Phase)[:5]
    assert history.items[-1] == settled


async def test_a_settled_round_is_corrected_once_its_money_has_moved(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id)])

    async def correct(result: tuple[int, ...]) -> StoredRound:
        ids: dict[str, Any] = {"request_id": uuid7(), "round_id": opened.round.round_id}
        return await store.rounds.correct_result(
            **ids, result=result, winners=winners(result), reason="photo finish", actor="operator"
        )

    finished = await leader.finish(await leader.start(await leader.lock(opened)))
    drawn = finished.round.result
    right = drawn[::-1]
    assert (await reason_of(correct(right))).reason == Reason.ROUND_PHASE
    settled = await posted(store, await leader.settle(finished))
    assert await correct(drawn) == settled, "the same result is no correction"
    assert (await reason_of(correct(drawn[:-1]))).reason == Reason.MALFORMED
    corrected = await correct(right)
    assert (corrected.round.phase, corrected.round.result, corrected.posting) == (Phase.SETTLED, right, True)
    assert corrected.round.correction_reason == "photo finish"
    assert corrected.round.transition_seq == settled.round.transition_seq + 1
    assert (await reason_of(correct(drawn))).reason == Reason.ROUND_PHASE
    assert [each.round.round_id for each in await store.rounds.unsettled_rounds(T)] == [opened.round.round_id]
    assert (await posted(store, corrected)).round == corrected.round
    assert await store.rounds.unsettled_rounds(T) == []
    assert (await store.rounds.transitions(T, 5, 9)).items == [corrected]


async def test_the_stakes_of_a_void_round_are_posted_after_it(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id)])
    voided = await leader.void(opened)
    assert (voided.round.phase, voided.posting) == (Phase.VOID, True)
    assert [each.round.phase for each in await store.rounds.unsettled_rounds(T)] == [Phase.VOID]
    assert (await leader.open(b"t" * 32)).round.phase is Phase.OPEN, "the next round does not wait for it"
    assert (await posted(store, voided)).round == voided.round
    assert [each.round.phase for each in await store.rounds.unsettled_rounds(T)] == [Phase.OPEN]


async def test_what_is_not_there_is_told_so(store: Store) -> None:
    await lead(store, cards=())

    assert (await reason_of(store.rounds.round(9_999))).reason == Reason.ROUND_UNKNOWN
    assert (await reason_of(store.rounds.current_round(T))).reason == Reason.ROUND_UNKNOWN
    assert (await reason_of(store.rounds.current_round("nowhere"))).reason == Reason.TRACK_NOT_FOUND
    assert (await reason_of(store.rounds.next_card(T))).reason == Reason.CARD_MISSING
    assert (await reason_of(store.tracks.track("nowhere"))).reason == Reason.TRACK_NOT_FOUND
    assert (await reason_of(store.tickets.ticket(uuid7()))).reason == Reason.TICKET_UNKNOWN
    assert (await store.rounds.transitions(T, 0, 100)).latest == 0


async def test_rounds_are_listed_the_newest_first_page_by_page(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = []
    for number in range(5):
        stored = await leader.open(b"%032d" % number)
        await leader.void(stored)
        opened.append(stored.round.round_id)
    first = await store.rounds.rounds(T, 3, "")
    second = await store.rounds.rounds(T, 3, first.next_page_token)

    listed = [stored.round.round_id for stored in (*first.items, *second.items)]
    assert listed == sorted(opened, reverse=True)
    assert second.next_page_token == ""


# Leases


async def test_a_lease_has_one_holder_and_its_epoch_rises_with_every_change(store: Store) -> None:
    leader = await lead(store)
    renewed = await store.leases.acquire(request_id=uuid7(), track=T, holder="contract", ttl_ms=60_000)
    held = await reason_of(store.leases.acquire(request_id=uuid7(), track=T, holder="another", ttl_ms=60_000))
    await store.leases.release(request_id=uuid7(), track=T, holder="another", epoch=renewed)
    still = await reason_of(store.leases.acquire(request_id=uuid7(), track=T, holder="another", ttl_ms=60_000))
    await store.leases.release(request_id=uuid7(), track=T, holder="contract", epoch=renewed)
    taken = await store.leases.acquire(request_id=uuid7(), track=T, holder="another", ttl_ms=60_000)

    assert renewed == leader.epoch
    assert (held.reason, still.reason) == (Reason.LEASE_HELD, Reason.LEASE_HELD)
    assert held.retry_in_ms is not None
    assert 0 < held.retry_in_ms <= 60_000
    assert taken > leader.epoch


async def test_a_lease_that_ended_is_anybodys(store: Store) -> None:
    await store.tracks.create_track(request_id=uuid7(), track=BRIEF)
    first = await store.leases.acquire(request_id=uuid7(), track=T, holder="one", ttl_ms=500)
    await asyncio.sleep(0.6)

    assert await store.leases.acquire(request_id=uuid7(), track=T, holder="two", ttl_ms=500) > first


# Tracks and cards


async def test_cards_take_turns_and_a_card_of_the_same_name_replaces_the_old_one(store: Store) -> None:
    cards = [replace(CARD, name=f"Race {n}") for n in range(3)]
    leader = await lead(store, LONG, cards)
    names = []
    for number in range(4):
        stored = await leader.open(b"%032d" % number)
        names.append(stored.round.race_name)
        await leader.void(stored)
    counts = await store.tracks.put_cards(
        request_id=uuid7(),
        track=T,
        cards=[replace(cards[1], card_id=0, distance_m=2_000), replace(CARD, card_id=0, name="New")],
    )

    assert names == ["Race 0", "Race 1", "Race 2", "Race 0"]
    assert counts == (1, 1)


async def test_tracks_are_listed_by_name_page_by_page(store: Store) -> None:
    for name in ("b", "c", "a"):
        await store.tracks.create_track(request_id=uuid7(), track=replace(BRIEF, track=name))
    first = await store.tracks.tracks(2, "")
    second = await store.tracks.tracks(2, first.next_page_token)

    assert [track.track for track in (*first.items, *second.items)] == ["a", "b", "c"]
    assert second.next_page_token == ""
    assert await store.tracks.track("b") == replace(BRIEF, track="b")


async def test_a_track_of_the_same_name_with_other_settings_is_refused(store: Store) -> None:
    await store.tracks.create_track(request_id=uuid7(), track=BRIEF)
    other = store.tracks.create_track(request_id=uuid7(), track=replace(BRIEF, return_bps=8_000))

    assert (await reason_of(other)).reason == Reason.TRACK_EXISTS


# Tickets


async def test_tickets_are_answered_in_order_and_repeats_with_what_was_said_before(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    good = placing(opened, store.account_id)
    bad = placing(opened, store.account_id, runner=3)
    reused = placing(opened, store.account_id, request_id=good.order.request_id, runner=2)
    first = await store.tickets.append(opened.round.round_id, [good, bad])
    again = await store.tickets.append(opened.round.round_id, [bad, good, reused])

    assert [answer.verdict for answer in first.answers] == [TicketResult.ACCEPTED, TicketResult.INVALID_SELECTION]
    assert [answer.replayed for answer in first.answers] == [False, False]
    assert [answer.verdict for answer in again.answers] == [
        TicketResult.INVALID_SELECTION,
        TicketResult.ACCEPTED,
        TicketResult.REQUEST_ID_REUSED,
    ]
    assert [answer.replayed for answer in again.answers] == [True, True, False]
    ticket = first.answers[0].ticket
    assert again.answers[1].ticket == ticket
    assert await store.tickets.ticket(good.order.request_id) == ticket
    assert (ticket.state, ticket.stake_minor, ticket.currency) == (Ticket.ACCEPTED, 10, "EUR")
    assert again.totals == first.totals
    assert first.totals is not None
    assert (first.totals.tickets, first.totals.stake_minor) == (1, 10)


async def test_no_ticket_is_taken_from_the_time_of_the_lock_on(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    await wait_until(opened.round.schedule.locks_at_ms)
    before_the_lock = await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id)])
    await leader.lock(opened)
    wrong_too = placing(opened, store.account_id, runner=3)
    after_it = await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id), wrong_too])

    answers = [*before_the_lock.answers, *after_it.answers]
    assert {answer.verdict for answer in answers} == {TicketResult.BETTING_CLOSED}


async def test_tickets_on_a_round_that_does_not_exist_are_told_so(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    nowhere = replace(opened, round=replace(opened.round, round_id=9_999))
    answered = await store.tickets.append(9_999, [placing(nowhere, store.account_id)])

    assert [answer.verdict for answer in answered.answers] == [TicketResult.ROUND_NOT_FOUND]
    assert answered.totals is None


async def test_tickets_of_an_account_are_listed_the_newest_first(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    placed = []
    for _ in range(5):
        one = placing(opened, store.account_id)
        await store.tickets.append(opened.round.round_id, [one])
        placed.append(one.order.request_id)
    first = await store.tickets.tickets(store.account_id, 3, "")
    second = await store.tickets.tickets(store.account_id, 3, first.next_page_token)

    assert [ticket.ticket_id for ticket in (*first.items, *second.items)] == list(reversed(placed))
    assert second.next_page_token == ""


async def sold(store: Store, stored: StoredRound, account_id: str = "") -> str:
    """The id of a ticket that was accepted."""
    one = placing(stored, account_id or store.account_id)
    answered = await store.tickets.append(stored.round.round_id, [one])
    assert [answer.verdict for answer in answered.answers] == [TicketResult.ACCEPTED]
    return one.order.request_id


async def test_a_cancelled_ticket_leaves_the_totals_and_is_cancelled_once(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    kept, taken = await sold(store, opened), await sold(store, opened)
    asked = {"request_id": uuid7(), "ticket_id": taken, "reason": "wrong runner", "actor": "ann"}
    cancelled = await store.tickets.cancel(**asked)
    again = await store.tickets.cancel(**asked)
    other = await reason_of(store.tickets.cancel(**(asked | {"request_id": uuid7()})))

    assert (cancelled.ticket.state, cancelled.ticket.payout_minor) == (Ticket.CANCELLED, 10)
    assert (cancelled.totals.tickets, cancelled.totals.stake_minor) == (1, 10)
    assert again == cancelled
    assert other.reason == Reason.TICKET_STATE
    assert await store.tickets.ticket(taken) == cancelled.ticket
    assert (await store.tickets.ticket(kept)).state == Ticket.ACCEPTED
    assert (await store.rounds.round(opened.round.round_id)).round.totals == cancelled.totals


async def test_a_ticket_is_not_cancelled_from_the_time_of_the_lock_on(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    ticket_id = await sold(store, opened)
    await wait_until(opened.round.schedule.locks_at_ms)
    ids = {"ticket_id": ticket_id, "reason": "too late", "actor": "ann"}
    before_the_lock = await reason_of(store.tickets.cancel(request_id=uuid7(), **ids))
    await leader.lock(opened)
    after_it = await reason_of(store.tickets.cancel(request_id=uuid7(), **ids))
    nowhere = await reason_of(store.tickets.cancel(request_id=uuid7(), **(ids | {"ticket_id": uuid7()})))

    assert (before_the_lock.reason, after_it.reason) == (Reason.ROUND_PHASE, Reason.ROUND_PHASE)
    assert nowhere.reason == Reason.TICKET_UNKNOWN


async def test_a_tills_ticket_is_paid_once_whichever_till_asks(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    ticket_id = await sold(store, opened, store.till_id)
    asked = {"request_id": uuid7(), "ticket_id": ticket_id, "account_id": store.till_id, "actor": "till"}
    too_early = await reason_of(store.tickets.pay(**asked))
    await leader.void(opened)
    await store.rounds.post_settlement(opened.round.round_id)
    store.claims[ticket_id] = 10
    asked["request_id"] = uuid7()
    paid = await store.tickets.pay(**asked)
    again = await store.tickets.pay(**asked)
    twice = await reason_of(store.tickets.pay(**(asked | {"request_id": uuid7()})))
    nowhere = await reason_of(store.tickets.pay(**(asked | {"request_id": uuid7(), "ticket_id": uuid7()})))

    assert (paid.ticket.state, paid.paid_minor) == (Ticket.PAID, 10)
    assert again == paid
    assert (too_early.reason, twice.reason) == (Reason.TICKET_STATE, Reason.TICKET_STATE)
    assert nowhere.reason == Reason.TICKET_UNKNOWN


async def test_a_suspended_track_takes_no_ticket_and_a_paused_one_does(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    told = []
    for state in (TrackState.SUSPENDED, TrackState.PAUSED, TrackState.RUNNING):
        changed = await store.tracks.set_state(
            request_id=uuid7(), track=T, state=state, reason="loose horse", actor="operator"
        )
        read = await store.rounds.track(T)
        answered = await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id)])
        told.append((changed.state, read.state, answered.answers[0].verdict))
    nowhere = store.tracks.set_state(
        request_id=uuid7(), track="nowhere", state=TrackState.PAUSED, reason="night", actor="operator"
    )

    assert told == [
        (TrackState.SUSPENDED, TrackState.SUSPENDED, TicketResult.SUSPENDED),
        (TrackState.PAUSED, TrackState.PAUSED, TicketResult.ACCEPTED),
        (TrackState.RUNNING, TrackState.RUNNING, TicketResult.ACCEPTED),
    ]
    assert (await reason_of(nowhere)).reason == Reason.TRACK_NOT_FOUND


async def test_a_track_that_stands_still_is_listed_so_and_is_not_made_anew(store: Store) -> None:
    await store.tracks.create_track(request_id=uuid7(), track=BRIEF)
    await store.tracks.set_state(request_id=uuid7(), track=T, state=TrackState.PAUSED, reason="night", actor="operator")
    made_again = await store.tracks.create_track(request_id=uuid7(), track=BRIEF)

    assert made_again == replace(BRIEF, state=TrackState.PAUSED)
    assert (await store.tracks.tracks(2, "")).items == [made_again]


async def test_a_track_that_stands_still_opens_no_round(store: Store) -> None:
    leader = await lead(store)
    for state in (TrackState.PAUSED, TrackState.SUSPENDED):
        await store.tracks.set_state(request_id=uuid7(), track=T, state=state, reason="night", actor="operator")
        assert (await reason_of(leader.open())).reason == Reason.ROUND_PHASE


# Prices that move


async def set_prices(store: Store, stored: StoredRound, *prices: tuple[int, int], market: Market = Market.WIN) -> Any:
    return await store.prices.set_prices(
        request_id=uuid7(),
        round_id=stored.round.round_id,
        prices=[Price(market=market, runner=runner, price_hundredths=price) for runner, price in prices],
        reason="money for Early Riser",
        actor="operator",
    )


async def test_prices_that_were_set_are_the_rounds_from_then_on(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    before = {runner.runner: runner.win_price_hundredths for runner in opened.round.runners}
    first = await set_prices(store, opened, (1, 250))
    second = await set_prices(store, opened, (2, 410), (1, 240))
    locked = await leader.lock(opened)
    finished = await leader.finish(await leader.start(locked))

    assert [each.round.price_revision for each in (opened, first, second, locked, finished)] == [0, 1, 2, 2, 2]
    assert first.round.transition_seq == opened.round.transition_seq
    wanted = {**before, 1: 240, 2: 410}
    for each in (second, locked, finished):
        assert {runner.runner: runner.win_price_hundredths for runner in each.round.runners} == wanted
    history = await store.rounds.transitions(T, 0, 100)
    assert [stored.round.price_revision for stored in history.items] == [0, 2, 2, 2]


async def test_an_order_that_was_judged_by_older_prices_is_not_decided_and_may_come_again(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    stale = placing(opened, store.account_id)
    moved = await set_prices(store, opened, (1, 250))
    by_none = placing(opened, store.account_id)
    by_none = by_none._replace(judgement=by_none.judgement._replace(price_revision=NO_REVISION))
    first = await store.tickets.append(opened.round.round_id, [stale, by_none, stale])
    again = placing(moved, store.account_id, request_id=stale.order.request_id)
    second = await store.tickets.append(opened.round.round_id, [again])
    third = await store.tickets.append(opened.round.round_id, [stale])

    assert first.undecided
    assert [answer.verdict for answer in first.answers] == [0, TicketResult.ACCEPTED, 0]
    assert first.totals is not None
    assert first.totals.tickets == 1
    assert not second.undecided
    assert [line.price_hundredths for answer in second.answers for line in answer.ticket.lines] == [250]
    assert [(answer.verdict, answer.replayed) for answer in third.answers] == [(TicketResult.ACCEPTED, True)]


async def test_a_quote_holds_until_its_time_on_the_stores_clock(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    await set_prices(store, opened, (1, 250))
    now_ms = int(time.time() * 1_000)
    placings = []
    for held_until_ms in (now_ms + 30_000, now_ms - 30_000):
        one = placing(opened, store.account_id)
        held = one.judgement._replace(price_revision=NO_REVISION, held_until_ms=held_until_ms)
        placings.append(one._replace(judgement=held))
    answers = (await store.tickets.append(opened.round.round_id, placings)).answers

    assert [answer.verdict for answer in answers] == [TicketResult.ACCEPTED, TicketResult.PRICE_CHANGED]


async def test_prices_are_set_once_per_request_and_only_while_the_round_takes_tickets(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    asked: dict[str, Any] = {
        "request_id": uuid7(),
        "round_id": opened.round.round_id,
        "prices": [Price(market=Market.WIN, runner=1, price_hundredths=250)],
        "reason": "money",
        "actor": "operator",
    }
    first = await store.prices.set_prices(**asked)
    assert await store.prices.set_prices(**asked) == first
    assert (await reason_of(set_prices(store, opened, (9, 250)))).reason == Reason.MALFORMED
    assert (await reason_of(set_prices(store, opened, (1, 250), market=Market.PLACE))).reason == Reason.MALFORMED
    await wait_until(opened.round.schedule.locks_at_ms)
    assert (await reason_of(set_prices(store, opened, (1, 250)))).reason == Reason.ROUND_PHASE
    locked = await leader.lock(opened)
    assert (await reason_of(set_prices(store, opened, (1, 250)))).reason == Reason.ROUND_PHASE
    assert locked.round.price_revision == 1
    nowhere = replace(opened, round=replace(opened.round, round_id=9_999))
    assert (await reason_of(set_prices(store, nowhere, (1, 250)))).reason == Reason.ROUND_UNKNOWN
