"""The relay: tells the other games what happened in this one, and this one's rooms what happened there.

    transition, prices ──▶ in order, at once ────┐
                                                 ├─▶ topic ─▶ every game ─▶ the track's room, as a hint
    totals ──▶ the latest of a round, now and then ┘

Nothing depends on it. What cannot be told is dropped; a room that hears nothing reads the store instead. What waits is
bounded, and nobody waits for it.
"""

import asyncio
from collections import deque
from contextlib import aclosing
from typing import Final, Protocol

from services.chassis.clock import Clock
from services.chassis.waiting import until
from services.game.domain.round import Round, Totals
from services.game.engine.supervision import supervise
from services.game.ports import Repriced, Signal, Standing, Topics

TRANSITIONS_WAITING_MAX: Final = 256
"""Transitions that wait to be told; beyond them the oldest is dropped, and the others read it in the store."""
ROUNDS_TOLD_MAX: Final = 1_000
"""Rounds whose last telling is remembered."""
TOTALS_INTERVAL_MS: Final = 500
"""The least time between two tellings of a round's totals."""
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

    def look(self) -> None:
        """Look at the store now: something may have been missed."""

    def deafen(self, is_deaf: bool) -> None:
        """Know whether the others can be heard."""


class Relay:
    """One game's part in the talk. `start` it once, `follow` a track once."""

    def __init__(self, *, topics: Topics, clock: Clock) -> None:
        self._topics = topics
        self._clock = clock
        self._transitions: deque[Round | Repriced] = deque(maxlen=TRANSITIONS_WAITING_MAX)
        self._standings: dict[int, Standing] = {}
        self._next_at_ms: dict[int, int] = {}
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to tell."""
        self._tasks.add(supervise("relay", self._clock, self._tell))

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

    def follow(self, track: str, room: Room) -> None:
        """Bring a room what the others tell of its track, until `close`."""

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
