"""A room shows every transition in order without gaps, and everything else as seldom as it may."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket

from services.chassis.refusal import Refusal
from services.game.domain.phase import Phase
from services.game.domain.round import StoredRound, Terms, Totals
from services.game.domain.track import Source
from services.game.engine.backoff import BACKOFF_MAX_MS
from services.game.engine.broadcast.frame import Frame, Kind
from services.game.engine.broadcast.own import PASS_MS, OwnTickets
from services.game.engine.broadcast.presence import Presence
from services.game.engine.broadcast.room import (
    DEAF_GRACE_MS,
    DEAF_LOOK_MS,
    HISTORY_TRANSITIONS_MAX,
    IDLE_LOOK_MS,
    Room,
    Watcher,
)
from services.game.ports import Page, Transitions
from tests.fakes.virtual_clock import VirtualClock
from tests.mailboxes import taken
from tests.rounds import RUN_ON, TRACK, stored_round

DOWN = Refusal(Reason.DEPENDENCY_DOWN, "down")


class Tape:
    """A store that has what a test recorded: one round after another, each through all its phases."""

    def __init__(self, transitions: int = 0) -> None:
        self.history = [
            stored_round(RUN_ON[n % 5], round_id=1 + n // 5, transition_seq=n + 1) for n in range(transitions)
        ]
        self.totals = Totals()
        self.reads = 0
        self.sold: list[Ticket] = []
        self.failures: list[Exception] = []

    def next(self) -> None:
        """One more transition."""
        self.history = Tape(len(self.history) + 1).history

    async def transitions(self, track: str, after: int, page_size: int) -> Transitions:
        self.reads += 1
        if self.failures:
            raise self.failures.pop()
        return Transitions(items=self.history[after : after + page_size], latest=len(self.history))

    async def tickets(self, account_id: str, page_size: int, page_token: str) -> Page[Ticket]:
        return Page(items=list(self.sold), next_page_token="")

    async def current_round(self, track: str) -> StoredRound:
        if not self.history:
            raise Refusal(Reason.ROUND_UNKNOWN, "none yet")
        return replace(self.history[-1], round=replace(self.history[-1].round, totals=self.totals))


class Theatre:
    """A room, and watchers that read at once whatever comes."""

    def __init__(self, transitions: int, *, mailbox_frames_max: int = 32) -> None:
        self.clock = VirtualClock()
        self.tape = Tape(transitions)
        self.encoded: list[Frame] = []
        self.own: list[list[str]] = []
        self.room = Room(
            track=TRACK.track,
            rounds=self.tape,
            clock=self.clock,
            encode=self._encode,
            mailbox_frames_max=mailbox_frames_max,
            own=OwnTickets(tickets=self.tape, clock=self.clock, encode=self._encode_own),
            presence=Presence(game="game", clock=self.clock),
        )

    def _encode_own(self, account_id: str, tickets: Sequence[Ticket], made_at_ms: int) -> bytes:
        self.own.append([Ticket.State.Name(ticket.state) for ticket in tickets])
        return b"own"

    def _encode(self, frame: Frame) -> bytes:
        self.encoded.append(frame)
        return b"%d" % (len(self.encoded) - 1)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.room.run())
        await self.clock.settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def watch(self, after: int = 0, update_ms: int = 10_000, tick_ms: int = 0) -> "Seat":
        watcher = await self.room.watch(
            after=after, update_interval_ms=update_ms, tick_interval_ms=tick_ms, on_mail=lambda: None
        )
        seat = Seat(self, watcher)
        await self.clock.settle()
        return seat

    def hint(self) -> None:
        """The next transition happens, and the room is told."""
        self.tape.next()
        self.room.hint(self.tape.history[-1].round)


class Seat:
    """Somebody who reads everything as soon as it comes."""

    def __init__(self, theatre: Theatre, watcher: Watcher) -> None:
        self._theatre = theatre
        self.watcher = watcher
        self.frames: list[tuple[int, Frame]] = []
        self.ended: Refusal | None = None
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                frame = self._theatre.encoded[int(await taken(self.watcher.mailbox))]
                self.frames.append((self._theatre.clock.now_ms(), frame))
        except Refusal as refusal:
            self.ended = refusal

    @property
    def seen(self) -> list[tuple[str, int]]:
        """Kinds and transition numbers of the frames."""
        return [(frame.kind.name, frame.transition_seq) for _, frame in self.frames]

    def times(self, kind: Kind) -> list[int]:
        return [at_ms for at_ms, frame in self.frames if frame.kind is kind]


async def test_the_first_frame_is_the_round_as_it_is_and_transitions_follow() -> None:
    theatre = Theatre(6)
    async with theatre.open():
        seat = await theatre.watch()
        theatre.hint()
        theatre.hint()
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 6), ("TRANSITION", 7), ("TRANSITION", 8)]


async def test_joining_mid_race_shows_the_race_at_once() -> None:
    theatre = Theatre(3)
    async with theatre.open():
        seat = await theatre.watch()

        assert seat.frames[0][1].round.phase is Phase.RUNNING
        assert seat.frames[0][1].round.result


@pytest.mark.parametrize(
    ("after", "first"),
    [
        (6, [("UPDATE", 6)]),
        (5, [("TRANSITION", 6), ("UPDATE", 6)]),
        (3, [("TRANSITION", 4), ("TRANSITION", 5), ("TRANSITION", 6), ("UPDATE", 6)]),
        (7, [("GAP", 6)]),
        (99, [("GAP", 6)]),
    ],
)
async def test_a_watcher_resumes_after_what_it_has_seen(after: int, first: list[tuple[str, int]]) -> None:
    theatre = Theatre(6)
    async with theatre.open():
        seat = await theatre.watch(after=after)
        assert seat.seen == first
        theatre.hint()
        await theatre.clock.settle()

        assert seat.seen == [*first, ("TRANSITION", 7)]


async def test_a_resumed_transition_shows_the_round_as_it_was() -> None:
    theatre = Theatre(6)
    async with theatre.open():
        seat = await theatre.watch(after=3)

        shown = [(frame.round.round_id, frame.round.phase.name) for _, frame in seat.frames]
        assert shown == [(1, "FINISHED"), (1, "SETTLED"), (2, "OPEN"), (2, "OPEN")]


@pytest.mark.parametrize(
    ("missed", "kind"), [(HISTORY_TRANSITIONS_MAX, "TRANSITION"), (HISTORY_TRANSITIONS_MAX + 1, "GAP")]
)
async def test_transitions_too_old_to_be_kept_are_a_gap(missed: int, kind: str) -> None:
    theatre = Theatre(400)
    async with theatre.open():
        seat = await theatre.watch(after=400 - missed)

        assert seat.seen[0][0] == kind
        assert seat.watcher.mailbox.after == 400


async def test_a_track_without_a_round_is_watched_until_it_opens_one() -> None:
    theatre = Theatre(0)
    async with theatre.open():
        seat = await theatre.watch()
        assert seat.seen == []
        theatre.hint()
        theatre.hint()
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2)]


async def test_a_hint_that_leaves_a_gap_makes_the_room_read_what_is_missing() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        theatre.tape.next()
        theatre.hint()  # the one before was not told
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2), ("TRANSITION", 3)]


async def test_a_hint_that_was_heard_before_is_ignored() -> None:
    theatre = Theatre(2)
    async with theatre.open():
        seat = await theatre.watch()
        theatre.room.hint(theatre.tape.history[0].round)
        theatre.room.hint(theatre.tape.history[1].round)
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 2)]


async def test_a_transition_that_nobody_told_is_read_soon_after_its_time() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        locks_at_ms = theatre.tape.history[0].round.schedule.locks_at_ms
        await theatre.clock.run_until_ms(locks_at_ms)
        theatre.tape.next()
        await theatre.clock.run_until_ms(locks_at_ms + 300)

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2)]


async def test_a_late_transition_that_nobody_told_is_read_within_half_a_second() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        await theatre.clock.run_for_ms(60_000)
        theatre.tape.next()
        await theatre.clock.run_for_ms(500)

        assert seat.seen[-1] == ("TRANSITION", 2)


async def test_the_store_is_hardly_asked_while_nothing_is_due() -> None:
    theatre = Theatre(1)
    theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        reads = theatre.tape.reads
        await theatre.clock.run_for_ms(10 * IDLE_LOOK_MS)

        assert theatre.tape.reads - reads <= 10


async def test_a_store_that_is_down_delays_transitions_and_loses_none() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        for _ in range(3):
            theatre.tape.next()
        theatre.tape.failures = [DOWN] * 5
        await theatre.clock.run_for_ms(20_000)

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2), ("TRANSITION", 3), ("TRANSITION", 4)]


async def test_an_older_round_may_settle_while_the_next_one_is_shown() -> None:
    theatre = Theatre(4)
    finished = theatre.tape.history[3].round
    async with theatre.open():
        seat = await theatre.watch()
        opened = stored_round(Phase.OPEN, round_id=2, transition_seq=5)
        settled = replace(theatre.tape.history[3], round=replace(finished, phase=Phase.SETTLED, transition_seq=6))
        theatre.tape.history += [opened, settled]
        theatre.room.hint(opened.round)
        theatre.room.hint(settled.round)
        late = await theatre.watch()

        assert [frame.round.round_id for _, frame in seat.frames] == [1, 2, 1]
        assert late.frames[0][1].round.round_id == 2
        assert late.seen == [("UPDATE", 6)]


async def test_own_tickets_are_read_again_when_the_money_of_a_correction_was_moved() -> None:
    theatre = Theatre(5)
    theatre.tape.sold = [Ticket(ticket_id="t", round_id=1, state=Ticket.LOST)]
    settled = theatre.tape.history[4].round
    corrected = replace(settled, transition_seq=6, correction_reason="an objection")
    async with theatre.open():
        await theatre.room.watch(
            after=0, update_interval_ms=10_000, tick_interval_ms=0, on_mail=lambda: None, accounts=["ann"]
        )
        await theatre.clock.run_for_ms(PASS_MS)
        theatre.room.hint(corrected)  # decided, and not posted
        await theatre.clock.run_for_ms(PASS_MS)
        theatre.tape.sold = [Ticket(ticket_id="t", round_id=1, state=Ticket.WON)]
        theatre.room.hint(corrected)  # posted
        await theatre.clock.run_for_ms(PASS_MS)

    assert theatre.own == [["LOST"], ["WON"]]


async def test_a_correction_is_a_transition_and_somebody_is_told_to_see_to_its_money() -> None:
    theatre = Theatre(5)
    told: list[str] = []
    theatre.room._on_decision = lambda: told.append("decision")
    async with theatre.open():
        seat = await theatre.watch()
        settled = theatre.tape.history[4]
        corrected = replace(
            settled.round, transition_seq=6, revision=6, result=settled.round.result[::-1], correction_reason="photo"
        )
        theatre.tape.history.append(replace(settled, round=corrected))
        assert told == []
        theatre.room.hint(corrected)
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 5), ("TRANSITION", 6)]
        assert seat.frames[-1][1].round == corrected
        assert told == ["decision"]


async def test_a_round_that_awaits_its_result_is_never_overdue_and_an_entered_one_is_told_of() -> None:
    theatre = Theatre(2)
    told: list[str] = []
    theatre.room._on_decision = lambda: told.append("decision")
    terms = Terms(source=Source.ENTERED)
    locked = theatre.tape.history[1]
    theatre.tape.history[1] = replace(locked, round=replace(locked.round, terms=terms))
    async with theatre.open():
        seat = await theatre.watch()
        await theatre.clock.run_for_ms(3_600_000)
        before = theatre.tape.reads
        await theatre.clock.run_for_ms(10 * IDLE_LOOK_MS)
        assert 0 < theatre.tape.reads - before <= 10
        running = stored_round(Phase.RUNNING, round_id=1, transition_seq=3)
        running = replace(running, round=replace(running.round, terms=terms))
        theatre.tape.history.append(running)
        assert told == []
        await theatre.clock.run_for_ms(IDLE_LOOK_MS)

        assert seat.seen == [("UPDATE", 2), ("TRANSITION", 3)]
        assert told == ["decision"]


async def test_decisions_that_were_taken_while_the_room_loaded_are_told_once_it_has() -> None:
    theatre = Theatre(5)
    told: list[str] = []
    theatre.room._on_decision = lambda: told.append("decision")
    theatre.tape.failures = [DOWN]
    async with theatre.open():
        for seq in (6, 7):
            voided = stored_round(Phase.VOID, round_id=seq, transition_seq=seq)
            theatre.tape.history.append(voided)
            theatre.room.hint(voided.round)
        assert told == []
        await theatre.clock.run_for_ms(BACKOFF_MAX_MS)

        assert told == ["decision"]


async def test_many_watchers_share_one_encoding() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seats = [await theatre.watch() for _ in range(50)]
        before = len(theatre.encoded)
        theatre.hint()
        theatre.tape.totals = Totals(tickets=1, stake_minor=5)
        theatre.room.totals(1, theatre.tape.totals)
        await theatre.clock.run_for_ms(10_000)

        assert len(theatre.encoded) - before <= 2
        assert {tuple(seat.seen) for seat in seats} == {(("UPDATE", 1), ("TRANSITION", 2), ("UPDATE", 2))}


async def test_totals_come_conflated_and_never_more_often_than_asked() -> None:
    theatre = Theatre(1)
    theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        usual, eager = await theatre.watch(), await theatre.watch(update_ms=500)
        began_ms = theatre.clock.now_ms()
        for tickets in range(1, 401):
            theatre.tape.totals = Totals(tickets=tickets, stake_minor=10 * tickets)
            theatre.room.totals(1, theatre.tape.totals)
            await theatre.clock.run_for_ms(50)
        await theatre.clock.run_for_ms(10_000)

        assert usual.times(Kind.UPDATE) == [began_ms, began_ms + 10_000, began_ms + 20_000]
        gaps = [later - earlier for earlier, later in pairwise(eager.times(Kind.UPDATE))]
        assert min(gaps) >= 500
        assert len(gaps) >= 39
        assert (
            eager.frames[-1][1].round.totals
            == usual.frames[-1][1].round.totals
            == Totals(tickets=400, stake_minor=4_000)
        )


async def test_without_a_change_nothing_is_sent() -> None:
    theatre = Theatre(1)
    theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        seat = await theatre.watch(update_ms=100)
        await theatre.clock.run_for_ms(60_000)

        assert seat.seen == [("UPDATE", 1)]


async def test_totals_never_go_back_and_never_belong_to_another_round() -> None:
    theatre = Theatre(6)
    async with theatre.open():
        theatre.room.totals(2, Totals(tickets=5, stake_minor=50))
        theatre.room.totals(2, Totals(tickets=4, stake_minor=40))
        theatre.room.totals(1, Totals(tickets=9, stake_minor=90))
        seat = await theatre.watch()

        assert seat.frames[0][1].round.totals == Totals(tickets=5, stake_minor=50)


async def test_a_cancelled_ticket_takes_totals_back_and_a_late_answer_does_not() -> None:
    theatre = Theatre(6)
    async with theatre.open():
        theatre.room.totals(2, Totals(tickets=5, stake_minor=50))
        theatre.room.cancelled(2, Totals(tickets=4, stake_minor=30))
        theatre.room.totals(2, Totals(tickets=3, stake_minor=20))
        theatre.room.cancelled(1, Totals(tickets=1, stake_minor=10))
        seat = await theatre.watch()

        assert seat.frames[0][1].round.totals == Totals(tickets=4, stake_minor=30)


async def test_what_another_game_cancelled_is_seen_at_the_next_look() -> None:
    theatre = Theatre(1)
    theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        theatre.room.totals(1, Totals(tickets=5, stake_minor=50))
        theatre.tape.totals = Totals(tickets=4, stake_minor=40)
        seat = await theatre.watch(update_ms=100)
        await theatre.clock.run_for_ms(IDLE_LOOK_MS + 100)

        assert [frame.round.totals.tickets for _, frame in seat.frames] == [5, 4]


async def test_what_is_sold_while_the_store_is_asked_is_not_taken_back() -> None:
    theatre = Theatre(1)
    theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        read = theatre.tape.current_round

        async def slowly(track: str) -> StoredRound:
            stored = await read(track)
            theatre.room.totals(1, Totals(tickets=5, stake_minor=50))
            return stored

        theatre.tape.current_round = slowly  # type: ignore[method-assign] # a sale while the answer is on its way
        await theatre.clock.run_for_ms(IDLE_LOOK_MS)
        seat = await theatre.watch()

        assert seat.frames[0][1].round.totals.tickets == 5


@pytest.mark.parametrize("phase", [Phase.SETTLED, Phase.VOID])
async def test_a_track_that_stands_still_is_looked_at_as_seldom_as_an_idle_one(phase: Phase) -> None:
    theatre = Theatre(1)
    theatre.tape.history[0] = stored_round(phase, round_id=1, transition_seq=1)
    async with theatre.open():
        await theatre.clock.run_for_ms(20_000)
        before = theatre.tape.reads
        await theatre.clock.run_for_ms(60_000)

        assert theatre.tape.reads - before <= 60_000 // IDLE_LOOK_MS + 1


async def test_ticks_come_as_often_as_asked_and_only_to_who_asked() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        quiet, ticking = await theatre.watch(), await theatre.watch(tick_ms=500)
        began_ms = theatre.clock.now_ms()
        await theatre.clock.run_for_ms(2_000)

        assert ticking.times(Kind.TICK) == [began_ms + n * 500 for n in (1, 2, 3, 4)]
        assert [frame.made_at_ms for _, frame in ticking.frames[1:]] == ticking.times(Kind.TICK)
        assert quiet.times(Kind.TICK) == []


async def test_ticks_of_watchers_that_joined_at_different_times_are_one_frame() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        early = await theatre.watch(tick_ms=500)
        await theatre.clock.run_for_ms(130)
        late = await theatre.watch(tick_ms=500)
        await theatre.clock.run_for_ms(2_000)

        assert [frame for _, frame in early.frames[-3:]] == [frame for _, frame in late.frames[-3:]]


async def test_a_watcher_that_reads_nothing_falls_behind_and_the_others_do_not() -> None:
    theatre = Theatre(1, mailbox_frames_max=4)
    async with theatre.open():
        frozen = await theatre.room.watch(after=0, update_interval_ms=100, tick_interval_ms=100, on_mail=lambda: None)
        healthy = await theatre.watch()
        for _ in range(8):
            theatre.hint()
            await theatre.clock.settle()

        assert frozen.mailbox.has_fallen_behind
        assert healthy.seen[-1] == ("TRANSITION", 9)


async def test_transitions_that_come_together_leave_watchers_time_to_read() -> None:
    theatre = Theatre(1, mailbox_frames_max=4)
    async with theatre.open():
        seat = await theatre.watch()
        for _ in range(40):
            theatre.tape.next()
        await theatre.clock.run_for_ms(20_000)

        assert seat.ended is None
        assert seat.seen[-1] == ("TRANSITION", 41)
        assert len(seat.seen) == 41


async def test_whoever_leaves_is_sent_nothing_and_costs_nothing() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch(tick_ms=500)
        theatre.room.leave(seat.watcher)
        theatre.hint()
        await theatre.clock.run_for_ms(2_000)

        assert theatre.room.watchers == 0
        assert seat.seen == [("UPDATE", 1)]


# While the other games cannot be heard


async def test_a_deaf_room_asks_the_store_shortly_after_each_transition_is_due() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        theatre.room.deafen(True)
        locks_at_ms = theatre.tape.history[0].round.schedule.locks_at_ms
        await theatre.clock.run_until_ms(locks_at_ms)
        theatre.tape.next()
        await theatre.clock.run_for_ms(DEAF_GRACE_MS)

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2)]


async def test_a_deaf_room_asks_for_what_nobody_can_foresee_twice_a_second() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch(update_ms=100)
        theatre.room.deafen(True)
        await theatre.clock.settle()
        theatre.tape.totals = Totals(tickets=5, stake_minor=50)
        await theatre.clock.run_for_ms(DEAF_LOOK_MS + 100)

        assert seat.frames[-1][1].round.totals.tickets == 5


async def test_a_room_that_hears_again_reads_what_was_said_meanwhile_at_once() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        theatre.room.deafen(True)
        await theatre.clock.settle()
        theatre.tape.next()
        theatre.room.deafen(False)
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2)]


async def test_a_room_that_may_have_missed_a_hint_looks_at_once() -> None:
    theatre = Theatre(1)
    async with theatre.open():
        seat = await theatre.watch()
        theatre.tape.next()
        theatre.room.look()
        await theatre.clock.settle()

        assert seat.seen == [("UPDATE", 1), ("TRANSITION", 2)]


def repriced(stored: StoredRound, revision: int) -> StoredRound:
    """The round with a price of 300 and as much more as its revision for its first runner."""
    first, *others = stored.round.runners
    runners = (replace(first, win_price_hundredths=300 + revision), *others)
    return replace(stored, round=replace(stored.round, runners=runners, price_revision=revision))


def boards(seat: Seat) -> list[tuple[str, int, int]]:
    """Kinds, price revisions and first prices of the frames of round 1."""
    return [
        (frame.kind.name, frame.round.price_revision, frame.round.runners[0].win_price_hundredths)
        for _, frame in seat.frames
        if frame.round.round_id == 1
    ]


async def test_new_prices_are_shown_at_once_and_older_ones_never_again() -> None:
    theatre = Theatre(1)
    opened = theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        theatre.room.totals(1, Totals(tickets=5, stake_minor=50))
        seat = await theatre.watch(update_ms=60_000)
        began_ms = theatre.clock.now_ms()
        for revision in (1, 3, 2, 3):
            theatre.room.prices(repriced(opened, revision).round)
            await theatre.clock.settle()
        late = await theatre.watch()

        assert boards(seat) == [
            ("UPDATE", 0, opened.round.runners[0].win_price_hundredths),
            ("UPDATE", 1, 301),
            ("UPDATE", 3, 303),
        ]
        assert seat.times(Kind.UPDATE) == [began_ms] * 3
        assert boards(late) == [("UPDATE", 3, 303)]
        assert {frame.round.totals.tickets for _, frame in seat.frames} == {5}


async def test_prices_that_nobody_told_are_seen_at_the_next_look() -> None:
    theatre = Theatre(1)
    opened = theatre.tape.history[0] = stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1)
    async with theatre.open():
        seat = await theatre.watch(update_ms=60_000)
        theatre.tape.history[0] = repriced(opened, 1)
        await theatre.clock.run_for_ms(IDLE_LOOK_MS + 100)

        assert [revision for _, revision, _ in boards(seat)] == [0, 1]


async def test_prices_of_a_round_whose_opening_was_not_heard_make_the_room_look() -> None:
    theatre = Theatre(0)
    async with theatre.open():
        seat = await theatre.watch()
        opened = repriced(stored_round(Phase.OPEN, round_id=1, opens_at_ms=10**9, transition_seq=1), 1)
        theatre.tape.history.append(opened)
        theatre.room.prices(opened.round)
        await theatre.clock.settle()

        assert [revision for _, revision, _ in boards(seat)] == [1]


async def test_an_older_round_that_settles_takes_no_prices_out_of_a_full_hand() -> None:
    theatre = Theatre(4)
    finished = theatre.tape.history[3].round
    async with theatre.open():
        watcher = await theatre.room.watch(after=4, update_interval_ms=60_000, tick_interval_ms=0, on_mail=lambda: None)
        opened = stored_round(Phase.OPEN, round_id=2, transition_seq=5)
        settled = replace(finished, phase=Phase.SETTLED, transition_seq=6)
        theatre.room.hint(opened.round)
        theatre.room.prices(repriced(opened, 1).round)
        theatre.room.hint(settled)
        frames = [theatre.encoded[int(await taken(watcher.mailbox))] for _ in range(4)]

        assert [(frame.kind.name, frame.round.round_id, frame.round.price_revision) for frame in frames[1:]] == [
            ("TRANSITION", 2, 0),
            ("TRANSITION", 1, 0),
            ("UPDATE", 2, 1),
        ]
