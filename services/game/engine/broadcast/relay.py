"""The relay: tells the other games what happened in this one, and this one's rooms what happened there.

    transition, prices ──▶ in order, at once ────┐
                                                 ├─▶ topic ─▶ every game ─▶ the track's room, as a hint
    totals ──▶ the latest of a round, now and then ┤
    a lease that is given back ──▶ at once ────────┤                         to whom it concerns: who seeks the lease
    accounts whose tickets changed, gathered ──────┤
    who watches here, every beat ──────────────────┘

Nothing depends on it. What cannot be told is dropped; a room that hears nothing reads the store instead. What waits is
bounded, and nobody waits for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from contextlib import aclosing
from typing import Final, Protocol

from services.chassis.clock import Clock
from services.chassis.waiting import until
from services.game.domain.round import Round, Totals
from services.game.engine.broadcast.presence import BEAT_MS
from services.game.engine.supervision import supervise
from services.game.ports import Attendance, Changed, Repriced, Signal, Standing, Topics, Vacancy

TRANSITIONS_WAITING_MAX: Final = 256
"""Transitions that wait to be told; beyond them the oldest is dropped, and the others read it in the store."""
ROUNDS_TOLD_MAX: Final = 1_000
"""Rounds whose last telling is remembered."""
TOTALS_INTERVAL_MS: Final = 500
"""The least time between two tellings of a round's totals."""
CHANGES_INTERVAL_MS: Final = 200
"""The least time between two tellings of changed accounts."""
ACCOUNTS_TOLD_MAX: Final = 500
"""Accounts in one telling; where more have changed, the others read all that are watched."""
SILENCE_MS: Final = 1_000
"""A topic that lives is heard four times a second; one that was silent for so long is down."""


class Room(Protocol):
    """What the relay asks of a track's room."""

    def hint(self, round_: Round) -> None:
        """Take a transition."""

    def prices(self, round_: Round) -> None:
        """Take a round whose prices have moved."""

    def totals(self, round_id: int, totals: Totals) -> None:
        """Take the totals of a round."""

    def changed(self, accounts: Collection[str], *, any_account: bool = False) -> None:
        """Take whose tickets have changed."""

    def attendance(self) -> Attendance:
        """Tell who watches here."""

    def attended(self, told: Attendance) -> None:
        """Take who watches elsewhere."""

    def look(self) -> None:
        """Look at the store now: something may have been missed."""

    def deafen(self, is_deaf: bool) -> None:
        """Know whether the others can be heard."""


class Relay:
    """One game's part in the talk. `start` it once, `follow` a track once."""

    def __init__(self, *, topics: Topics, clock: Clock, game: str) -> None:
        self._game = game
        self._rooms: dict[str, Room] = {}
        self._attended: set[str] = set()  # tracks of which the others know that somebody watches here
        self._changes: dict[str, set[str]] = {}
        self._changed = asyncio.Event()
        self._topics = topics
        self._clock = clock
        self._transitions: deque[Round | Repriced] = deque(maxlen=TRANSITIONS_WAITING_MAX)
        self._standings: dict[int, Standing] = {}
        self._next_at_ms: dict[int, int] = {}
        self._woken = asyncio.Event()
        self._seek: Callable[[str], None] = lambda track: None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to tell."""
        self._tasks.add(supervise("relay", self._clock, self._tell))
        self._tasks.add(supervise("relay of changes", self._clock, self._tell_changes))
        self._tasks.add(supervise("relay of presence", self._clock, self._tell_presence))

    def transition(self, round_: Round) -> None:
        """Tell the others of a transition."""
        self._transitions.append(round_)
        self._woken.set()

    def prices(self, round_: Round) -> None:
        """Tell the others that prices of a round have moved."""
        self._transitions.append(Repriced(round=round_))
        self._woken.set()

    def totals(self, track: str, round_id: int, totals: Totals) -> None:
        """Tell the others a round's totals, when it is time."""
        waiting = self._standings.get(round_id)
        if waiting is not None and waiting.totals.tickets >= totals.tickets:
            return
        self._standings[round_id] = Standing(track=track, round_id=round_id, totals=totals)
        if waiting is None:
            self._woken.set()

    def cancelled(self, track: str, round_id: int, totals: Totals) -> None:
        """Tell the totals after a ticket was taken back in place of those that wait to be told."""
        if round_id in self._standings:
            self._standings[round_id] = Standing(track=track, round_id=round_id, totals=totals)

    async def vacated(self, track: str) -> None:
        """Tell the others that they may lead the track; returns when they were told, or cannot be."""
        await self._topics.publish(track, Vacancy(track=track))

    def on_vacancy(self, seek: Callable[[str], None]) -> None:
        """Have `seek` called with each followed track whose leader goes away."""
        self._seek = seek

    def follow(self, track: str, room: Room) -> None:
        """Bring a room what the others tell of its track, until `close`."""
        self._rooms[track] = room

        async def run() -> None:
            await self._follow(track, room)

        self._tasks.add(supervise(f"relay {track}", self._clock, run))

    async def close(self) -> None:
        """Tell and listen no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Telling

    async def _tell(self) -> None:
        while True:
            while self._transitions:
                news = self._transitions.popleft()
                await self._topics.publish(news.round.track if isinstance(news, Repriced) else news.track, news)
            if not self._standings:
                await self._woken.wait()
                self._woken.clear()
                continue
            round_id = min(self._standings, key=self._due_at_ms)
            if await until(self._clock, self._due_at_ms(round_id), self._woken):
                await self._tell_totals(self._standings.pop(round_id))

    def _due_at_ms(self, round_id: int) -> int:
        return self._next_at_ms.get(round_id, 0)

    async def _tell_totals(self, standing: Standing) -> None:
        self._next_at_ms[standing.round_id] = self._clock.now_ms() + TOTALS_INTERVAL_MS
        if len(self._next_at_ms) > ROUNDS_TOLD_MAX:
            del self._next_at_ms[next(iter(self._next_at_ms))]
        await self._topics.publish(standing.track, standing)

    def changed(self, track: str, accounts: Collection[str]) -> None:
        """Tell the others whose tickets have changed, when it is time."""
        changes = self._changes.setdefault(track, set())
        if len(changes) <= ACCOUNTS_TOLD_MAX:
            changes.update(accounts)
        self._changed.set()

    async def _tell_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            changes, self._changes = self._changes, {}
            for track, accounts in changes.items():
                too_many = len(accounts) > ACCOUNTS_TOLD_MAX
                account_ids = () if too_many else tuple(sorted(accounts))
                news = Changed(track=track, game=self._game, account_ids=account_ids, any_account=too_many)
                await self._topics.publish(track, news)
            await self._clock.sleep_until_ms(self._clock.now_ms() + CHANGES_INTERVAL_MS)

    async def _tell_presence(self) -> None:
        while True:
            await self._clock.sleep_until_ms(self._clock.now_ms() + BEAT_MS)
            for track, room in list(self._rooms.items()):
                here = room.attendance()
                if here.watchers or track in self._attended:
                    await self._topics.publish(track, here)
                if here.watchers:
                    self._attended.add(track)
                else:
                    self._attended.discard(track)

    # Listening

    async def _follow(self, track: str, room: Room) -> None:
        heard = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(track, room, heard), name=f"listen {track}")
            group.create_task(self._mind_silence(room, heard), name=f"silence {track}")

    async def _listen(self, track: str, room: Room, heard: asyncio.Event) -> None:
        async with aclosing(self._topics.follow(track)) as news:
            async for each in news:
                if each is not Signal.BROKEN:
                    heard.set()
                match each:
                    case Round():
                        room.hint(each)
                    case Repriced():
                        room.prices(each.round)
                    case Standing():
                        room.totals(each.round_id, each.totals)
                    case Vacancy():
                        self._seek(each.track)
                    case Changed():
                        if each.game != self._game:
                            room.changed(each.account_ids, any_account=each.any_account)
                    case Attendance():
                        room.attended(each)
                    case Signal.MISSED | Signal.BROKEN:
                        room.look()
                    case Signal.ALIVE:
                        pass

    async def _mind_silence(self, room: Room, heard: asyncio.Event) -> None:
        while True:
            if not await until(self._clock, self._clock.now_ms() + SILENCE_MS, heard):
                continue
            room.deafen(True)
            await heard.wait()
            heard.clear()
            room.deafen(False)
