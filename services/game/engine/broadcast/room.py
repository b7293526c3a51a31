"""A room: everybody who watches one track, and what there is to show them.

    hint: a transition that a game made     ──▶ ┐
    a look at the store, when a transition      ├─▶ published in order of transition_seq ──▶ history ──▶ mailboxes
    should have come and nobody said so     ──▶ ┘
    totals of tickets that a game placed    ──▶ the round as it is ──▶ updates and ticks, each cadence in its time

Invariants:
 1. Transitions are published by transition_seq without gaps; a hint that would leave one makes the room read the store.
 2. A frame is encoded once, whoever receives it.
 3. A watcher's first frame is the round as it is, or the transitions after the one that it saw, or a GAP.
 4. Totals of a round grow by what is heard of tickets, so that a late answer takes nothing back. They shrink by a
    ticket that is cancelled here, or when the store says so and nothing was heard while it was asked.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final

import structlog
from furlong.common.v1.error_pb2 import Reason

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.chassis.waiting import until
from services.game.domain.phase import Phase
from services.game.domain.round import Round, Totals
from services.game.domain.timeline import next_due, next_round_opens_at_ms
from services.game.domain.track import Source
from services.game.engine.backoff import BACKOFF_MAX_MS, backoff_ms
from services.game.engine.broadcast.cadence import Cadence
from services.game.engine.broadcast.frame import Encode, Frame, Kind
from services.game.engine.broadcast.mailbox import Mailbox, Numbered
from services.game.engine.broadcast.own import OwnTickets
from services.game.engine.broadcast.presence import Presence
from services.game.ports import Attendance, RoundHistory

HISTORY_TRANSITIONS_MAX: Final = 256
"""How many transitions a watcher may have missed and still be sent; about 40 minutes of the default timetable."""
READ_TRANSITIONS_MAX: Final = 100
"""The most transitions in one read of the store."""
OVERDUE_GRACE_MS: Final = 250
"""How long after its time a transition may be hinted before the store is asked for it."""
OVERDUE_LOOK_MS: Final = 500
"""How often the store is asked while a transition is overdue."""
IDLE_LOOK_MS: Final = 5_000
"""How often the store is asked while nothing is due, for what another game did out of turn: a void, an
entered result, tickets."""
LOOKS_IN_VAIN_MAX: Final = 20
"""How often an overdue round is looked for before the track is believed to stand still: then as while idle."""
DEAF_GRACE_MS: Final = 50
DEAF_LOOK_MS: Final = 500
"""The same two times while the games that lead the track cannot be heard."""
BURST_PAUSE_MS: Final = 50
"""Time for watchers to read between bursts of transitions that come together."""

_log = structlog.get_logger(__name__)


class Watcher:
    """One watcher's mailbox with the intervals it asked for and what it has been told."""

    __slots__ = (
        "accounts",
        "mailbox",
        "terminal",
        "tick_interval_ms",
        "told_at_ms",
        "told_totals",
        "update_interval_ms",
    )

    def __init__(
        self,
        mailbox: Mailbox,
        update_interval_ms: int,
        tick_interval_ms: int,
        accounts: Collection[str],
        terminal: str,
    ) -> None:
        self.mailbox = mailbox
        self.accounts = accounts
        self.terminal = terminal
        self.update_interval_ms = update_interval_ms
        self.tick_interval_ms = tick_interval_ms
        self.told_at_ms = 0
        self.told_totals: Totals | None = None


class Room:
    """The room of one track. `run()` feeds it; nothing else waits."""

    def __init__(
        self,
        *,
        track: str,
        rounds: RoundHistory,
        clock: Clock,
        encode: Encode,
        mailbox_frames_max: int,
        own: OwnTickets,
        presence: Presence,
        on_decision: Callable[[], None] = lambda: None,
    ) -> None:
        self._track = track
        self._rounds = rounds
        self._clock = clock
        self._encode = encode
        self._mailbox_frames_max = mailbox_frames_max
        self._own = own
        self.presence = presence
        self._on_decision = on_decision
        self._watchers: set[Watcher] = set()
        self._updates: Cadence[Watcher] = Cadence()
        self._ticks: Cadence[Watcher] = Cadence()
        self._history: deque[Numbered] = deque(maxlen=HISTORY_TRANSITIONS_MAX)
        self._round: Round | None = None
        self._latest = 0
        self._update_frame: Numbered | None = None
        self._owing = False  # somebody may not have been told the totals
        self._deaf = False
        self._in_vain = 0  # looks for a transition that is overdue
        self._missed = False  # what nobody can foresee may have been missed, so hints are not enough
        self._decided = False  # by hand, and nobody was told yet
        self._loaded = asyncio.Event()
        self._hinted = asyncio.Event()
        self._pulse = asyncio.Event()
        self._log = _log.bind(track=track)

    # What happens

    def hint(self, round_: Round) -> None:
        """Take a round that has just made a transition; what was published before is not published again.

        A round whose end was published is told again when all its money was moved, as after a correction.
        """
        if not self._loaded.is_set() or round_.transition_seq > self._latest + 1:
            self._hinted.set()
        elif round_.transition_seq == self._latest + 1:
            self._publish(round_)
        elif round_.phase in (Phase.SETTLED, Phase.VOID):
            self._own.decided(round_.round_id)

    def prices(self, round_: Round) -> None:
        """Take a round whose prices have moved, and show it at once; what is older than what is shown is ignored."""
        shown = self._round
        if shown is None or round_.round_id > shown.round_id:
            self.look()  # its opening has not been heard of
        elif round_.round_id == shown.round_id and round_.price_revision > shown.price_revision:
            self._round = replace(shown, runners=round_.runners, price_revision=round_.price_revision)
            self._update_frame = None
            self._show()

    def _show(self) -> None:
        """Send the round as it is to everybody, without waiting for their intervals."""
        now_ms = self._clock.now_ms()
        for watcher in self._watchers:
            watcher.mailbox.put_update(self._update())
            self._told(watcher, now_ms)

    def totals(self, round_id: int, totals: Totals) -> None:
        """Take the totals of a round after tickets were placed."""
        round_ = self._round
        if round_ is not None and round_.round_id == round_id and totals.tickets > round_.totals.tickets:
            self._total(round_, totals)

    def cancelled(self, round_id: int, totals: Totals) -> None:
        """Take the totals of a round after a ticket was taken back."""
        round_ = self._round
        if round_ is not None and round_.round_id == round_id:
            self._total(round_, totals)

    def _total(self, round_: Round, totals: Totals) -> None:
        if totals == round_.totals:
            return
        self._round = replace(round_, totals=totals)
        if not self._owing or self._update_frame is not None:  # somebody was told, and is behind again
            self._pulse.set()
        self._owing = True
        self._update_frame = None

    def changed(self, accounts: Collection[str], *, any_account: bool = False) -> None:
        """Something happened to tickets of these accounts, or maybe to those of any."""
        if any_account:
            self._own.all_changed()
        else:
            self._own.changed(accounts)

    def attendance(self) -> Attendance:
        """Tell who watches here."""
        return self.presence.attendance(self._track)

    def attended(self, told: Attendance) -> None:
        """Take who watches at another game."""
        self.presence.hear(told)

    def look(self) -> None:
        """Look at the store now: a hint may have been missed."""
        self._own.all_changed()
        self._missed = True
        self._hinted.set()

    def deafen(self, is_deaf: bool) -> None:
        """Know whether the hints of other games can be heard; whenever that changes some may have been missed."""
        self._deaf = is_deaf
        self.look()

    # Who watches

    async def watch(
        self,
        *,
        after: int,
        update_interval_ms: int,
        tick_interval_ms: int,
        on_mail: Callable[[], object],
        accounts: Collection[str] = (),
        terminal: str = "",
    ) -> Watcher:
        """Add a watcher, to be removed with `leave`. `tick_interval_ms` of 0 asks for no ticks."""
        await self._loaded.wait()
        now_ms = self._clock.now_ms()
        self.presence.join(terminal)
        mailbox = Mailbox(
            first=self._first_frames(after),
            after=after,
            frames_max=self._mailbox_frames_max,
            on_mail=on_mail,
        )
        watcher = Watcher(mailbox, update_interval_ms, tick_interval_ms, accounts, terminal)
        self._told(watcher, now_ms)
        self._watchers.add(watcher)
        if accounts:
            self._own.join(mailbox, accounts)
        self._updates.join(watcher, update_interval_ms, now_ms)
        if tick_interval_ms:
            self._ticks.join(watcher, tick_interval_ms, now_ms)
        self._pulse.set()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        self._watchers.discard(watcher)
        self.presence.leave(watcher.terminal)
        self._own.leave(watcher.mailbox, watcher.accounts)
        self._updates.leave(watcher, watcher.update_interval_ms)
        if watcher.tick_interval_ms:
            self._ticks.leave(watcher, watcher.tick_interval_ms)

    def end(self, why: Callable[[int], Refusal]) -> None:
        """End every watcher; `why` is told where each may resume."""
        for watcher in self._watchers:
            watcher.mailbox.end(why)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    # The feed

    async def run(self) -> None:
        """Feed the room until cancelled."""
        await self._persistently(self._load)
        self._loaded.set()
        self._tell_of_decisions()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed(), name=f"feed {self._track}")
            group.create_task(self._beat(), name=f"beat {self._track}")
            group.create_task(self._own.run(), name=f"own tickets {self._track}")

    async def _feed(self) -> None:
        while True:
            if await until(self._clock, self._look_at_ms(), self._hinted) or self._missed:
                if self._deaf:
                    self._own.all_changed()
                self._missed = False
                self._in_vain += self._is_overdue()
                await self._persistently(self._look)
            else:
                await self._persistently(self._catch_up)

    def _look_at_ms(self) -> int:
        """When to ask the store, if nobody hints: shortly after the next transition should have come."""
        now_ms = self._clock.now_ms()
        idle_ms = now_ms + (DEAF_LOOK_MS if self._deaf else IDLE_LOOK_MS)
        if self._round is None or self._round.awaits_result:
            return idle_ms
        stands_still = self._in_vain >= LOOKS_IN_VAIN_MAX and next_due(self._round.phase, self._round.schedule) is None
        if self._is_overdue() and not stands_still:
            return now_ms + OVERDUE_LOOK_MS
        overdue_at_ms = self._overdue_at_ms(self._round)
        return min(overdue_at_ms, idle_ms) if overdue_at_ms > now_ms else idle_ms

    def _is_overdue(self) -> bool:
        """Tell whether the store should have a transition that nobody has hinted."""
        round_ = self._round
        if round_ is None or round_.awaits_result:
            return False
        unpaid = round_.phase is Phase.FINISHED  # the settlement comes when it is done
        return unpaid or self._overdue_at_ms(round_) <= self._clock.now_ms()

    def _overdue_at_ms(self, round_: Round) -> int:
        now_ms = self._clock.now_ms()
        if round_.phase is Phase.VOID:  # the next round opens at once, unless the track stands still
            return now_ms
        due = next_due(round_.phase, round_.schedule)
        at_ms = due.at_ms if due is not None else next_round_opens_at_ms(round_.phase, round_.schedule, now_ms)
        assert at_ms is not None, f"{round_.phase.name} has neither a transition nor an end"
        return at_ms + (DEAF_GRACE_MS if self._deaf else OVERDUE_GRACE_MS)

    async def _load(self) -> None:
        """Read the history that watchers may resume in, and the round as it is."""
        if not self._history:
            latest = (await self._rounds.transitions(self._track, 0, 1)).latest
            self._latest = max(latest - HISTORY_TRANSITIONS_MAX, 0)
        await self._look()

    async def _look(self) -> None:
        """Ask the store for transitions that were not hinted, and for the totals as they are."""
        await self._catch_up()
        before = self._round
        try:
            stored = await self._rounds.current_round(self._track)
        except Refusal as refusal:
            if refusal.reason != Reason.ROUND_UNKNOWN:
                raise
            return
        if self._round is before:
            self.cancelled(stored.round.round_id, stored.round.totals)
        else:
            self.totals(stored.round.round_id, stored.round.totals)
        if self._round is not None and stored.round.round_id == self._round.round_id:
            self.prices(stored.round)

    async def _catch_up(self) -> None:
        """Publish every transition of the store after the last one published."""
        burst = 0
        while True:
            before = self._latest
            read = await self._rounds.transitions(self._track, before, READ_TRANSITIONS_MAX)
            for stored in read.items:
                if stored.round.transition_seq != self._latest + 1:  # hinted meanwhile
                    continue
                if burst and burst % max(self._mailbox_frames_max // 2, 1) == 0 and self._watchers:
                    await self._clock.sleep_until_ms(self._clock.now_ms() + BURST_PAUSE_MS)
                    if stored.round.transition_seq != self._latest + 1:
                        continue
                self._publish(stored.round)
                burst += 1
            if self._latest >= read.latest:
                return
            assert self._latest > before, f"the store has {read.latest} but nothing right after {before}: a gap"

    def _publish(self, round_: Round) -> None:
        assert round_.transition_seq == self._latest + 1, f"{round_.transition_seq} after {self._latest}: a gap"
        now_ms = self._clock.now_ms()
        self._latest = round_.transition_seq
        self._in_vain = 0
        frame = self._numbered(Kind.TRANSITION, round_, now_ms)
        self._history.append(frame)
        self._update_frame = None
        first = self._round is None
        # An older round may be settled while the next one is open; the next one goes on being shown.
        shown = self._round is None or round_.round_id >= self._round.round_id
        if shown:
            self._round = round_
            self._own.show(round_.round_id)
        if round_.phase in (Phase.SETTLED, Phase.VOID):
            self._own.decided(round_.round_id)
        for watcher in self._watchers:
            # Whoever waited for the track's first round has seen nothing yet, and begins with the round as it is.
            watcher.mailbox.put_transition(self._update() if first else frame)
            if shown:
                self._told(watcher, now_ms)
        if not shown and self._round is not None and self._round.price_revision:
            self._show()  # the transition has taken the place of an update that may have waited with new prices
        entered = round_.phase is Phase.RUNNING and round_.terms.source is Source.ENTERED
        if round_.phase is Phase.VOID or round_.correction_reason or entered:
            self._decided = True
        self._tell_of_decisions()

    def _tell_of_decisions(self) -> None:
        """Have somebody see to what was decided by hand; once for all of it that was read while the room loaded."""
        if self._decided and self._loaded.is_set():
            self._decided = False
            self._on_decision()

    async def _persistently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that reads the store, until it succeeds."""
        attempt = 0
        while True:
            try:
                await work()
            except Refusal as refusal:
                wait_ms = backoff_ms(attempt)
                self._log.warning("store not read", refusal=str(refusal), wait_ms=wait_ms)
            except Exception:
                wait_ms = BACKOFF_MAX_MS
                self._log.exception("store not read", wait_ms=wait_ms)
            else:
                return
            attempt += 1
            await self._clock.sleep_until_ms(self._clock.now_ms() + wait_ms)

    # Updates and ticks

    async def _beat(self) -> None:
        """Send updates and ticks when they are due; without anything to send, wait."""
        while True:
            at_ms = self._beat_at_ms()
            if at_ms is None:
                await self._pulse.wait()
                self._pulse.clear()
            elif await until(self._clock, at_ms, self._pulse):
                self._send_updates()
                self._send_ticks()

    def _beat_at_ms(self) -> int | None:
        ticks = [group.next_at_ms for group in self._ticks]
        if not self._owing:
            return min(ticks, default=None)
        updates = [group.next_at_ms for group in self._updates if any(map(self._is_behind, group.watchers))]
        self._owing = bool(updates)
        return min(ticks + updates, default=None)

    def _is_behind(self, watcher: Watcher) -> bool:
        return self._round is not None and watcher.told_totals != self._round.totals

    def _send_updates(self) -> None:
        now_ms = self._clock.now_ms()
        for group in self._updates:
            behind = [watcher for watcher in group.watchers if self._is_behind(watcher)]
            if not behind or group.next_at_ms > now_ms:
                continue
            for watcher in behind:
                if watcher.told_at_ms + watcher.update_interval_ms <= now_ms:
                    watcher.mailbox.put_update(self._update())
                    self._told(watcher, now_ms)
            group.next_at_ms = now_ms + group.interval_ms  # who was told a moment ago waits for the next time

    def _send_ticks(self) -> None:
        now_ms = self._clock.now_ms()
        frame: Numbered | None = None
        for group in self._ticks:
            if group.next_at_ms > now_ms:
                continue
            if self._round is not None:
                frame = frame or self._numbered(Kind.TICK, self._round, now_ms)
                for watcher in group.watchers:
                    watcher.mailbox.put_tick(frame)
            group.next_at_ms = max(group.next_at_ms + group.interval_ms, now_ms + 1)

    # Frames

    def _first_frames(self, after: int) -> list[Numbered]:
        if self._round is None:
            return []
        if after == 0:
            return [self._update()]
        oldest = self._history[0][0] if self._history else self._latest + 1
        if after > self._latest or after < oldest - 1:
            return [self._numbered(Kind.GAP, self._round, self._clock.now_ms())]
        return [*(frame for frame in self._history if frame[0] > after), self._update()]

    def _update(self) -> Numbered:
        if self._update_frame is None:
            assert self._round is not None, "without a round there is nothing to show"
            self._update_frame = self._numbered(Kind.UPDATE, self._round, self._clock.now_ms())
        return self._update_frame

    def _numbered(self, kind: Kind, round_: Round, now_ms: int) -> Numbered:
        frame = Frame(
            kind=kind,
            round=round_,
            transition_seq=self._latest,
            made_at_ms=now_ms,
            watchers=self.presence.watchers,
            terminals=self.presence.terminals,
        )
        return self._latest, self._encode(frame)

    def _told(self, watcher: Watcher, now_ms: int) -> None:
        watcher.told_at_ms = now_ms
        watcher.told_totals = self._round.totals if self._round is not None else None
