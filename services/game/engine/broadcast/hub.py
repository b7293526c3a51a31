"""The hub: the rooms of all tracks, and the door to them."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Final

from furlong.common.v1.error_pb2 import Reason
from opentelemetry.metrics import Observation

from services.chassis import telemetry_names as names
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.game.domain.round import Round, Totals
from services.game.engine.broadcast.frame import Encode
from services.game.engine.broadcast.line import Crier, Line, Write
from services.game.engine.broadcast.own import EncodeOwn, OwnTickets
from services.game.engine.broadcast.presence import Presence
from services.game.engine.broadcast.relay import Relay
from services.game.engine.broadcast.room import Room
from services.game.engine.supervision import supervise
from services.game.ports import RoundHistory, TicketReader, TrackStore

COME_BACK_MS: Final = 200
"""When a watcher of a server that goes away should try the next one."""


class Hub:
    """Opens a room when a track is seen first, and keeps it. With a `relay`, the rooms of all games hear each other."""

    def __init__(
        self,
        *,
        rounds: RoundHistory,
        tracks: TrackStore,
        tickets: TicketReader,
        clock: Clock,
        encode: Encode,
        encode_own: EncodeOwn,
        game: str,
        mailbox_frames_max: int,
        relay: Relay | None = None,
    ) -> None:
        self._rounds = rounds
        self._tracks = tracks
        self._tickets = tickets
        self._encode_own = encode_own
        self._game = game
        self._clock = clock
        self._encode = encode
        self._mailbox_frames_max = mailbox_frames_max
        self._relay = relay
        self._wake: Callable[[str], None] = lambda track: None
        self._rooms: dict[str, Room] = {}
        self._crier = Crier()
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    def room(self, track: str) -> Room:
        """Give the room of a track that exists."""
        room = self._rooms.get(track)
        if room is None:
            room = self._rooms[track] = Room(
                track=track,
                rounds=self._rounds,
                clock=self._clock,
                encode=self._encode,
                mailbox_frames_max=self._mailbox_frames_max,
                own=OwnTickets(tickets=self._tickets, clock=self._clock, encode=self._encode_own),
                presence=Presence(game=self._game, clock=self._clock),
                on_decision=lambda: self._wake(track),
            )
            self._tasks.add(supervise(f"room {track}", self._clock, room.run))
            if self._relay is not None:
                self._relay.follow(track, room)
        return room

    def on_decision(self, wake: Callable[[str], None]) -> None:
        """Have `wake` called with the track whenever a round of it was voided or corrected, at whichever game."""
        self._wake = wake

    def on_vacancy(self, seek: Callable[[str], None]) -> None:
        """Have `seek` called with the track whenever a game that led it goes away."""
        if self._relay is not None:
            self._relay.on_vacancy(seek)

    async def vacated(self, track: str) -> None:
        """Tell the other games that the lease of a track was given back."""
        if self._relay is not None:
            await self._relay.vacated(track)

    def hint(self, round_: Round) -> None:
        """Tell the rooms of the round, here and at the other games, of a transition."""
        self.room(round_.track).hint(round_)
        if self._relay is not None:
            self._relay.transition(round_)

    def prices(self, round_: Round) -> None:
        """Tell the rooms of the round, here and at the other games, that its prices have moved."""
        self.room(round_.track).prices(round_)
        if self._relay is not None:
            self._relay.prices(round_)

    def totals(self, track: str, round_id: int, totals: Totals) -> None:
        """Tell a track's rooms, here and at the other games, the totals of a round."""
        self.room(track).totals(round_id, totals)
        if self._relay is not None:
            self._relay.totals(track, round_id, totals)

    def cancelled(self, track: str, round_id: int, totals: Totals) -> None:
        """Tell the totals of a round after a ticket was taken back: they may be less than before.

        The other games cannot tell them from a late answer; their rooms find them when they look at the store next.
        """
        self.room(track).cancelled(round_id, totals)
        if self._relay is not None:
            self._relay.cancelled(track, round_id, totals)

    def changed(self, track: str, accounts: Collection[str]) -> None:
        """Tell a track's rooms, here and at the other games, whose tickets have changed."""
        self.room(track).changed(accounts)
        if self._relay is not None:
            self._relay.changed(track, accounts)

    async def watch(
        self,
        *,
        track: str,
        after: int,
        update_interval_ms: int,
        tick_interval_ms: int,
        write: Write,
        accounts: Collection[str] = (),
        terminal: str = "",
    ) -> None:
        """Write a track's frames until cancelled, or until the Refusal that ends the watcher is raised.

        TRACK_NOT_FOUND where there is no such track.
        """
        if self._draining:
            raise _draining(after)
        room = await self._known_room(track)
        line = Line(write, self._crier)
        watcher = await room.watch(
            after=after,
            update_interval_ms=update_interval_ms,
            tick_interval_ms=tick_interval_ms,
            on_mail=line.mail,
            accounts=accounts,
            terminal=terminal,
        )
        if self._draining:  # it began while the watcher waited for the room
            watcher.mailbox.end(_draining)
        try:
            await line.run(watcher.mailbox)
        finally:
            room.leave(watcher)

    async def presence(self, track: str) -> Presence:
        """Give who watches a track; TRACK_NOT_FOUND where there is none."""
        return (await self._known_room(track)).presence

    async def _known_room(self, track: str) -> Room:
        if track not in self._rooms:
            await self._tracks.track(track)
        return self.room(track)

    def observe_watchers(self) -> Iterable[Observation]:
        """Tell who watches each track here, for the metric of that name, which asks from a thread of its own."""
        return [Observation(room.watchers, {names.FURLONG_TRACK: track}) for track, room in list(self._rooms.items())]

    def drain(self) -> None:
        """End every watcher with a hint where to resume; none is let in any more."""
        self._draining = True
        for room in self._rooms.values():
            room.end(_draining)

    async def close(self) -> None:
        """End the feeds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _draining(after: int) -> Refusal:
    return Refusal(
        Reason.DRAINING,
        f"this server goes away; resume after {after}",
        retry_in_ms=COME_BACK_MS,
        metadata={"after": str(after)},
    )
