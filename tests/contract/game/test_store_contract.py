"""What the game may believe of its store. The same tests judge persist and the small one that unit tests use."""

import asyncio
import hashlib
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
from services.game.domain.race_result import RaceResult
from services.game.domain.round import StoredRound, Terms
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.track import Limits, Part, Program, Source, Timetable, TrackChange, TrackState
from services.game.domain.winners import Winner, winners, winners_by
from services.game.ports import Placing, Price
from tests.contract.game.conftest import Store
from tests.model.settlement import BoughtLine, BoughtTicket
from tests.model.tickets_root import encoded
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

    async def open(
        self,
        seed: bytes = b"s" * 32,
        locks_at_ms: int = 0,
        chain_no: int = 0,
        index: int = TERMS.seed_index,
        places: int = 0,
    ) -> StoredRound:
        track = await self.store.rounds.track(T)
        card = await self.store.rounds.next_card(T)
        opened = await self.store.rounds.open_round(
            request_id=uuid7(),
            track=track,
            epoch=self.epoch,
            card=replace(card, runners=priced(card.runners, track.return_bps, places, track.return_bps)),
            commitment=commitment(seed),
            sealed_seed=b"sealed " + seed,
            terms=replace(TERMS, seed_index=index),
            locks_at_ms=locks_at_ms,
            seed_chain_no=chain_no,
        )
        self.seed = seed
        return opened

    async def lock(self, stored: StoredRound) -> StoredRound:
        await wait_until(stored.round.schedule.locks_at_ms)
        ids = {"request_id": uuid7(), "round_id": stored.round.round_id, "epoch": self.epoch}
        return await self.store.rounds.lock_round(**ids)  # type: ignore[arg-type] # a table of strings and numbers

    async def start(self, stored: StoredRound, late_ms: int = 0, **beacon: Any) -> StoredRound:
        await wait_until(stored.round.schedule.starts_at_ms + late_ms)
        result = finishing_order(stored.round.runners, iter([0] * 40))
        return await self.store.rounds.start_race(
            request_id=uuid7(),
            round_id=stored.round.round_id,
            epoch=self.epoch,
            result=result,
            server_seed=self.seed,
            **beacon,
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
            winners=winners(stored.round),
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


def placing(
    stored: StoredRound, account_id: str, *, request_id: str = "", runner: int = 1, terminal: str = ""
) -> Placing:
    line = Line(market=1, runners=(runner,), stake_minor=10, price_hundredths=0)
    order = Order(request_id=request_id or uuid7(), account_id=account_id, lines=(line,), terminal=terminal)
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


async def test_an_off_of_its_own_fixes_the_schedule_unless_it_is_missed(store: Store) -> None:
    leader = await lead(store, LONG)
    now_ms = int(time.time() * 1_000)
    for missed_ms in (1, now_ms - 60_000, now_ms + 500):
        assert (await reason_of(leader.open(locks_at_ms=missed_ms))).reason == Reason.ROUND_PHASE
    opened = await leader.open(locks_at_ms=now_ms + 20_000)
    schedule = opened.round.schedule

    assert schedule.locks_at_ms == now_ms + 20_000
    assert schedule.starts_at_ms - schedule.locks_at_ms == 100
    assert schedule.ends_at_ms - schedule.finishes_at_ms == 100
    assert (opened.round.revision, opened.round.transition_seq) == (1, 1), "a round that did not open left nothing"


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

    async def correct(result: tuple[int, ...], **more: tuple[int, ...]) -> StoredRound:
        right = RaceResult(order=result, **more)
        ids: dict[str, Any] = {"request_id": uuid7(), "round_id": opened.round.round_id}
        paid = [Winner(market=Market.WIN, runners=result[:1])]
        return await store.rounds.correct_result(
            **ids, result=right, winners=paid, reason="photo finish", actor="operator"
        )

    finished = await leader.finish(await leader.start(await leader.lock(opened)))
    drawn = finished.round.result
    right = drawn[::-1]
    assert (await reason_of(correct(right))).reason == Reason.ROUND_PHASE
    settled = await posted(store, await leader.settle(finished))
    assert await correct(drawn) == settled, "the same result is no correction"
    assert await correct(drawn, positions=(1, 2, 3)) == settled, "nor is it with the positions that it has"
    assert (await reason_of(correct(drawn[:-1]))).reason == Reason.MALFORMED
    assert (await reason_of(correct(drawn, positions=(1, 1, 2)))).reason == Reason.MALFORMED
    corrected = await correct(right)
    assert (corrected.round.phase, corrected.round.result, corrected.posting) == (Phase.SETTLED, right, True)
    assert corrected.round.correction_reason == "photo finish"
    assert corrected.round.transition_seq == settled.round.transition_seq + 1
    assert (await reason_of(correct(drawn))).reason == Reason.ROUND_PHASE
    assert [each.round.round_id for each in await store.rounds.unsettled_rounds(T)] == [opened.round.round_id]
    assert (await posted(store, corrected)).round == corrected.round
    assert await store.rounds.unsettled_rounds(T) == []
    assert (await store.rounds.transitions(T, 5, 9)).items == [corrected]


async def test_an_entered_result_starts_the_race_when_it_comes(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    first, second, third = [runner.runner for runner in opened.round.runners]

    async def enter(result: RaceResult, request_id: str = "") -> StoredRound:
        return await store.rounds.enter_result(
            request_id=request_id or uuid7(),
            round_id=opened.round.round_id,
            result=result,
            reason="seen at the rails",
            actor="operator",
        )

    seen = RaceResult(order=(third, first), positions=(1, 1), withdrawn=(second,))
    assert (await reason_of(enter(seen))).reason == Reason.ROUND_PHASE
    locked = await leader.lock(opened)
    assert (await reason_of(enter(seen))).reason == Reason.TOO_EARLY
    await wait_until(locked.round.schedule.starts_at_ms + 150)
    for wrong in (
        RaceResult(order=(third, first)),
        RaceResult(order=(third, first, second), withdrawn=(second,)),
        RaceResult(order=(third, first), withdrawn=(second, 39)),
        RaceResult(order=(third, first), positions=(1, 3), withdrawn=(second,)),
        RaceResult(order=(third, first), positions=(0, 1), withdrawn=(second,)),
        RaceResult(order=(third, first), positions=(0, 0), withdrawn=(second,)),
        RaceResult(order=(third, first), positions=(1,), withdrawn=(second,)),
    ):
        assert (await reason_of(enter(wrong))).reason == Reason.MALFORMED
    key = uuid7()
    running = await enter(seen, key)
    assert await enter(seen, key) == running
    assert await enter(seen) == running, "the same result is no other one"
    assert (await reason_of(enter(replace(seen, positions=(1, 2))))).reason == Reason.ROUND_PHASE
    round_ = running.round
    assert (round_.phase, round_.result, round_.positions, round_.withdrawn) == (
        *(Phase.RUNNING, seen.order),
        *(seen.positions, seen.withdrawn),
    )
    assert running.server_seed == b""
    before, after = locked.round.schedule, round_.schedule
    late_ms = after.starts_at_ms - before.starts_at_ms
    assert late_ms >= 150
    assert (after.finishes_at_ms - before.finishes_at_ms, after.ends_at_ms - before.ends_at_ms) == (late_ms, late_ms)
    assert (after.opens_at_ms, after.locks_at_ms) == (before.opens_at_ms, before.locks_at_ms)
    finished = await leader.finish(running)
    assert (await leader.settle(finished)).round.phase is Phase.SETTLED


async def test_a_correction_may_bring_dead_heats_and_withdrawn_runners(store: Store) -> None:
    leader = await lead(store)
    settled = await leader.settle(await leader.finish(await leader.start(await leader.lock(await leader.open()))))
    one, two, three = settled.round.result

    async def correct(result: RaceResult) -> StoredRound:
        paid = [Winner(market=Market.WIN, runners=result.order[:1])]
        ids: dict[str, Any] = {"request_id": uuid7(), "round_id": settled.round.round_id}
        return await store.rounds.correct_result(**ids, result=result, winners=paid, reason="photo", actor="operator")

    heat = RaceResult(order=(one, two, three), positions=(1, 1, 3))
    corrected = await posted(store, await correct(heat))
    assert (corrected.round.result, corrected.round.positions) == (heat.order, heat.positions)
    assert await correct(heat) == corrected, "the same result is no correction"
    gone = RaceResult(order=(two, three), withdrawn=(one,))
    again = await posted(store, await correct(gone))
    assert (again.round.result, again.round.positions, again.round.withdrawn) == (gone.order, (), (one,))
    back = await posted(store, await correct(RaceResult(order=(one, two, three), positions=(1, 2, 3))))
    assert (back.round.positions, back.round.withdrawn) == ((), ())
    assert back.round.transition_seq == settled.round.transition_seq + 3


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


async def test_leases_are_renewed_together_and_only_those_that_are_held(store: Store) -> None:
    leader = await lead(store)
    await store.tracks.create_track(request_id=uuid7(), track=replace(BRIEF, track="other"))
    other = await store.leases.acquire(request_id=uuid7(), track="other", holder="contract", ttl_ms=500)

    async def renewed(held: dict[str, int], holder: str = "contract") -> list[str]:
        return sorted(await store.leases.renew(request_id=uuid7(), holder=holder, held=held, ttl_ms=60_000))

    assert await renewed({T: leader.epoch, "other": other, "nowhere": 1}) == sorted((T, "other"))
    assert await renewed({T: leader.epoch + 1}) == []
    assert await renewed({T: leader.epoch}, "another") == []
    await asyncio.sleep(0.6)
    held = await reason_of(store.leases.acquire(request_id=uuid7(), track="other", holder="another", ttl_ms=500))
    assert held.reason == Reason.LEASE_HELD
    await store.leases.release(request_id=uuid7(), track="other", holder="contract", epoch=other)
    assert await renewed({"other": other}) == []


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


# Beacons


async def test_what_the_beacon_said_is_kept_and_a_race_that_waited_for_it_starts_then(store: Store) -> None:
    leader = await lead(store, replace(BRIEF, timetable=replace(BRIEF.timetable, race_ms=1_000)))
    locked = await leader.lock(await leader.open())
    planned = locked.round.schedule
    running = await leader.start(locked, late_ms=300, beacon_signature=b"x" * 48, from_now=True)
    moved = running.round.schedule

    assert (locked.beacon_signature, running.beacon_signature) == (b"", b"x" * 48)
    late_ms = moved.starts_at_ms - planned.starts_at_ms
    assert late_ms >= 300
    assert moved.finishes_at_ms - planned.finishes_at_ms == moved.ends_at_ms - planned.ends_at_ms == late_ms
    assert moved.locks_at_ms == planned.locks_at_ms
    assert (await leader.start(locked, beacon_signature=b"x" * 48, from_now=True)).round == running.round
    with pytest.raises(Refusal):
        await leader.store.rounds.finish_round(request_id=uuid7(), round_id=running.round.round_id, epoch=leader.epoch)
    assert (await leader.finish(running)).beacon_signature == b"x" * 48


async def test_a_race_that_is_late_keeps_its_times_unless_it_is_told_to_move(store: Store) -> None:
    leader = await lead(store)
    locked = await leader.lock(await leader.open())

    assert (await leader.start(locked, late_ms=200)).round.schedule == locked.round.schedule


# Seed chains


async def publish(leader: Leader, chain_no: int = 1, length: int = 3) -> PublishedChain:
    return await leader.store.rounds.create_seed_chain(
        request_id=uuid7(),
        track=T,
        epoch=leader.epoch,
        chain_no=chain_no,
        anchor=bytes([chain_no] * 32),
        length=length,
        sealed_checkpoints=b"sealed",
    )


async def use(leader: Leader, chain_no: int, index: int) -> StoredRound:
    """Open a round with a seed of a chain, and void it."""
    opened = await leader.open(b"%032d" % (100 * chain_no + index), chain_no=chain_no, index=index)
    return await leader.void(opened)


async def test_a_chain_is_published_and_read_by_everybody(store: Store) -> None:
    leader = await lead(store)
    assert await store.tracks.seed_chains(T) == []
    before_ms = time.time() * 1_000
    published = [await publish(leader, 1), await publish(leader, 2, length=5)]

    assert await store.tracks.seed_chains(T) == published[::-1] == await store.rounds.seed_chains(T)
    assert [(chain.track, chain.anchor, chain.length, chain.used) for chain in published] == [
        (T, "01" * 32, 3, 0),
        (T, "02" * 32, 5, 0),
    ]
    assert published[0].sealed_checkpoints == b"sealed"
    assert abs(published[0].published_at_ms - before_ms) < 60_000


async def test_the_chains_of_no_track_are_not_found(store: Store) -> None:
    assert (await reason_of(store.tracks.seed_chains("nowhere"))).reason == Reason.TRACK_NOT_FOUND


@pytest.mark.parametrize("chain_no", [1, 3])
async def test_only_the_next_chain_can_be_published(store: Store, chain_no: int) -> None:
    leader = await lead(store)
    await publish(leader, 1)

    assert (await reason_of(publish(leader, chain_no))).reason == Reason.ROUND_PHASE


async def test_no_chain_is_published_under_an_old_epoch(store: Store) -> None:
    leader = await lead(store)
    leader.epoch += 1

    assert (await reason_of(publish(leader))).reason == Reason.EPOCH_STALE


async def test_seeds_are_used_up_in_order_and_a_void_round_gives_none_back(store: Store) -> None:
    leader = await lead(store)
    await publish(leader)
    rounds = [await use(leader, 1, index) for index in (1, 2)]

    assert [stored.round.terms.seed_index for stored in rounds] == [1, 2]
    assert [chain.used for chain in await store.rounds.seed_chains(T)] == [2]


@pytest.mark.parametrize(("chain_no", "index"), [(1, 1), (1, 3), (2, 1)])
async def test_a_seed_out_of_turn_opens_no_round(store: Store, chain_no: int, index: int) -> None:
    leader = await lead(store)
    for number in (1, 2):
        await publish(leader, number)
    await use(leader, 1, 1)
    await use(leader, 2, 1)

    out_of_turn = leader.open(b"another seed of thirty-two bytes", chain_no=chain_no, index=index)
    assert (await reason_of(out_of_turn)).reason == Reason.ROUND_PHASE
    assert [chain.used for chain in await store.rounds.seed_chains(T)] == [1, 1]


async def test_a_chain_gives_no_more_seeds_than_it_has(store: Store) -> None:
    leader = await lead(store)
    await publish(leader, length=1)
    await use(leader, 1, 1)

    assert (await reason_of(use(leader, 1, 2))).reason == Reason.ROUND_PHASE


async def test_a_round_that_does_not_open_uses_no_seed_up(store: Store) -> None:
    leader = await lead(store)
    await publish(leader)
    await leader.open(b"t" * 32)

    assert (await reason_of(use(leader, 1, 1))).reason == Reason.ROUND_PHASE
    assert [chain.used for chain in await store.rounds.seed_chains(T)] == [0]


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


async def test_bets_to_place_and_each_way_are_kept_as_lines_of_their_markets(store: Store) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open(places=2)
    prices = {runner.runner: runner for runner in opened.round.runners}
    lines = (Line(2, (1,), 10, 0), Line(3, (4,), 20, 0))
    order = Order(request_id=uuid7(), account_id=store.account_id, lines=lines)
    asked = Placing(order, judge(order, offer_of(opened.round)), content_hash(opened.round.round_id, order))
    answered = await store.tickets.append(opened.round.round_id, [asked])
    again = await store.tickets.append(opened.round.round_id, [asked])

    assert all(runner.place_price_hundredths for runner in opened.round.runners)
    assert (await store.rounds.round(opened.round.round_id)).round.runners == opened.round.runners
    ticket = answered.answers[0].ticket
    assert [(line.market, line.runners[0], line.stake_minor, line.price_hundredths) for line in ticket.lines] == [
        (2, 1, 10, prices[1].place_price_hundredths),
        (1, 4, 20, prices[4].win_price_hundredths),
        (2, 4, 20, prices[4].place_price_hundredths),
    ]
    assert ticket.stake_minor == 50
    assert (again.answers[0].replayed, again.answers[0].ticket) == (True, ticket)


async def test_a_round_is_settled_once_with_dead_heats_and_stakes_that_are_given_back(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    await store.tickets.append(opened.round.round_id, [placing(opened, store.account_id)])
    finished = await leader.finish(await leader.start(await leader.lock(opened)))

    async def settle(withdrawn: tuple[int, ...]) -> StoredRound:
        who_won = winners_by((1, 2), (1, 1), withdrawn, 2)
        ids: dict[str, Any] = {"request_id": uuid7(), "round_id": finished.round.round_id, "epoch": leader.epoch}
        return await store.rounds.settle_round(**ids, winners=who_won)

    assert (await settle((4,))).posting
    assert (await settle((4,))).posting, "the same winners are no other settlement"
    assert (await reason_of(settle(()))).reason == Reason.ROUND_PHASE


async def sold(store: Store, stored: StoredRound, account_id: str = "") -> str:
    """The id of a ticket that was accepted."""
    one = placing(stored, account_id or store.account_id)
    answered = await store.tickets.append(stored.round.round_id, [one])
    assert [answer.verdict for answer in answered.answers] == [TicketResult.ACCEPTED]
    return one.order.request_id


async def test_every_ticket_is_proved_to_be_under_the_root_that_the_lock_fixed(store: Store) -> None:
    leader = await lead(store)
    opened = await leader.open()
    round_id = opened.round.round_id
    batches = [
        [placing(opened, store.account_id, runner=runner) for runner in runners]
        for runners in ((1, 2, 4), (2,), (4, 4))
    ]
    for batch in batches:
        await store.tickets.append(round_id, batch)
    ids = [each.order.request_id for batch in batches for each in batch]
    await store.tickets.cancel(request_id=uuid7(), ticket_id=ids[1], reason="test", actor="test")
    assert (await reason_of(store.tickets.ticket_proof(ids[0]))).reason == Reason.PROOF_NOT_READY
    locked = await leader.lock(opened)

    for ticket_id in ids:
        proof = await store.tickets.ticket_proof(ticket_id)
        ticket = await store.tickets.ticket(ticket_id)
        assert (proof.ticket_id, proof.account_id, proof.round_id) == (ticket_id, store.account_id, round_id)
        assert list(proof.lines) == list(ticket.lines)
        (line,) = proof.lines
        bought = BoughtTicket(
            ticket_id=ticket_id,
            account_id=store.account_id,
            lines=(
                BoughtLine(
                    market="WIN",
                    runners=tuple(line.runners),
                    stake_minor=line.stake_minor,
                    price_hundredths=line.price_hundredths,
                ),
            ),
        )
        found = hashlib.sha256(b"\x00" + encoded(bought, round_id)).digest()
        assert proof.leaf == found.hex()
        for step in proof.path:
            sibling = bytes.fromhex(step.sibling)
            found = hashlib.sha256(b"\x01" + (sibling + found if step.left else found + sibling)).digest()
        assert found.hex() == proof.tickets_root == locked.round.tickets_root
    assert (await reason_of(store.tickets.ticket_proof(uuid7()))).reason == Reason.TICKET_UNKNOWN


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


@pytest.mark.parametrize("part", [Part(market=1), Part(runner=1), Part(terminal="till-3")], ids=str)
async def test_a_part_that_is_suspended_is_told_and_not_sold_until_it_goes_on(store: Store, part: Part) -> None:
    leader = await lead(store, LONG)
    opened = await leader.open()
    asked: dict[str, Any] = {"track": T, "part": part, "reason": "lame", "actor": "operator"}
    told = []
    for sells in (False, True):
        changed = await store.tracks.set_selling(request_id=uuid7(), sells=sells, **asked)
        assert await store.tracks.track(T) == changed
        sold = placing(opened, store.account_id, terminal="till-3")
        [answer] = (await store.tickets.append(opened.round.round_id, [sold])).answers
        told.append(([each.part for each in changed.suspended], answer.verdict, answer.ticket.terminal))

    assert told == [([part], TicketResult.SUSPENDED, ""), ([], TicketResult.ACCEPTED, "till-3")]
    nowhere = store.tracks.set_selling(request_id=uuid7(), sells=False, **(asked | {"track": "nowhere"}))
    assert (await reason_of(nowhere)).reason == Reason.TRACK_NOT_FOUND


async def test_a_suspended_runner_is_of_the_open_round_alone(store: Store) -> None:
    leader = await lead(store, BRIEF)
    asked: dict[str, Any] = {"track": T, "sells": False, "reason": "lame", "actor": "operator"}
    early = store.tracks.set_selling(request_id=uuid7(), part=Part(runner=1), **asked)
    assert (await reason_of(early)).reason == Reason.ROUND_PHASE
    opened = await leader.open()
    stranger = store.tracks.set_selling(request_id=uuid7(), part=Part(runner=3), **asked)
    assert (await reason_of(stranger)).reason == Reason.MALFORMED
    [suspension] = (await store.tracks.set_selling(request_id=uuid7(), part=Part(runner=1), **asked)).suspended
    assert suspension.round_id == opened.round.round_id
    await leader.void(opened)
    changed = await store.tracks.set_selling(request_id=uuid7(), part=Part(market=2), **asked)
    assert [each.part for each in changed.suspended] == [Part(market=2)]


async def test_settings_change_where_they_are_named_and_the_open_round_keeps_its_own(store: Store) -> None:
    leader = await lead(store, BRIEF)
    opened = await leader.open()
    program = Program(every_ms=60_000, place_return_bps=8_800)
    by = {"reason": "summer", "actor": "operator"}
    first = await store.tracks.update_track(
        request_id=uuid7(), track=T, change=TrackChange(program=program, return_bps=8_000), **by
    )
    limits = Limits(stake_min_minor=5, stake_max_minor=50, round_loss_max_minor=9, payout_max_minor=70)
    change = TrackChange(display_name="New", timetable=LONG.timetable, limits=limits)
    second = await store.tracks.update_track(request_id=uuid7(), track=T, change=change, **by)
    third = await store.tracks.update_track(request_id=uuid7(), track=T, change=TrackChange(program=Program()), **by)

    assert first == replace(BRIEF, program=program, return_bps=8_000)
    assert second == replace(first, display_name="New", timetable=LONG.timetable, limits=limits)
    assert third == replace(second, program=Program())
    assert await store.rounds.track(T) == third
    assert (await store.rounds.round(opened.round.round_id)).round == opened.round
    nowhere = store.tracks.update_track(request_id=uuid7(), track="nowhere", change=change, **by)
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
