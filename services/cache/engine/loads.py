"""What is being loaded, as far as this replica knows: who waits for it, and, while there is no store, who may load.

         ┌───────────── changed, given back, the session or its time is over ─────────────┐
         ▼                                                                                │
       OPEN ── somebody asks ──▶ ASKING ── somebody may load, here or at another replica ─▶ HELD
                                 who comes joins                                            who comes waits

1. Of one key this replica asks the store once at a time, however many callers want it (see `leases.py`).
2. Who waits holds nothing but memory, and not more than WAITERS_MAX do.
3. A change that is heard of while the store is being asked stirs the room: what the store answers may be older, so
   nobody is taken for a holder by it.
"""

import asyncio
from typing import Final, NamedTuple

from services.cache.domain.entry import Entry, Key

WAITERS_MAX: Final = 10_000
"""Callers of this replica who wait for loads."""

OWN_MAX: Final = 10_000
"""Leases that this replica gives by itself."""


class Lease(NamedTuple):
    """The right to load, until a time on the monotonic clock."""

    token: int
    until_s: float


class Verdict(NamedTuple):
    """What asking came to: an entry that is alive, the right to load, or until when somebody else has it."""

    entry: Entry | None = None
    lease: Lease | None = None
    held_until_s: float = 0.0


class Room:
    """The callers who want one key. `held_until_s` is 0 while nobody is known to load it."""

    __slots__ = ("asking", "ending", "held_until_s", "joined", "stirred", "waiting")

    def __init__(self) -> None:
        self.asking: asyncio.Task[None] | None = None
        self.joined: list[asyncio.Future[Verdict]] = []
        self.waiting: set[asyncio.Future[None]] = set()
        self.held_until_s = 0.0
        self.stirred = False
        self.ending: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether nobody needs it any more."""
        return self.asking is None and not self.waiting and not self.held_until_s


class Loads:
    """The rooms by key, and the leases that this replica gave by itself."""

    def __init__(self) -> None:
        self._rooms: dict[Key, Room] = {}
        self._own: dict[Key, Lease] = {}
        self._waiters = 0

    def room(self, key: Key) -> Room:
        """Enter the room of a key."""
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = Room()
        return room

    def leave(self, key: Key, room: Room) -> None:
        """Close a room that nobody needs any more."""
        if room.is_empty and self._rooms.get(key) is room:
            del self._rooms[key]

    def held_until_s(self, key: Key) -> float:
        """Tell until when somebody is known to load a key; 0 where nobody is."""
        room = self._rooms.get(key)
        return 0.0 if room is None else room.held_until_s

    def hold(self, key: Key, room: Room, until_s: float, now_s: float) -> None:
        """Note that somebody loads a key."""
        room.held_until_s = until_s
        room.ending = asyncio.get_running_loop().call_later(max(until_s - now_s, 0.0), self.stir, key)

    async def wait(self, key: Key, within_s: float) -> bool:
        """Wait until something becomes of a key, or for so long. False where too many wait already."""
        if self._waiters >= WAITERS_MAX:
            return False
        room = self.room(key)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        room.waiting.add(waiter)
        self._waiters += 1
        try:
            await asyncio.wait((waiter,), timeout=within_s)
        finally:
            self._waiters -= 1
            room.waiting.discard(waiter)
            waiter.cancel()
            self.leave(key, room)
        return True

    def stir(self, key: Key) -> None:
        """Wake those who wait for a key: what they wait for may have come, or nobody loads it any more."""
        room = self._rooms.get(key)
        if room is None:
            return
        room.held_until_s = 0.0
        room.stirred = True
        if room.ending is not None:
            room.ending.cancel()
            room.ending = None
        for waiter in room.waiting:
            if not waiter.done():
                waiter.set_result(None)
        self.leave(key, room)

    def void(self, key: Key) -> None:
        """End the lease of a key that changed."""
        self._own.pop(key, None)
        if self._rooms:
            self.stir(key)

    def stir_namespace(self, namespace: str) -> None:
        """Wake those who wait for any key of a namespace."""
        for key in [key for key in self._rooms if key.namespace == namespace]:
            self.stir(key)

    def restart(self) -> None:
        """End every lease that this replica gave, and wake everybody: what was known is worth nothing now."""
        self._own.clear()
        for key in list(self._rooms):
            self.stir(key)

    def own(self, key: Key, now_s: float) -> Lease | None:
        """Find the lease that this replica gave for a key, if it has not ended."""
        lease = self._own.get(key)
        return lease if lease is not None and now_s < lease.until_s else None

    def give(self, key: Key, lease: Lease, now_s: float) -> bool:
        """Give a lease. False where too many are out already."""
        if len(self._own) >= OWN_MAX:
            self._own = {each: out for each, out in self._own.items() if now_s < out.until_s}
        if len(self._own) >= OWN_MAX:
            return False
        self._own[key] = lease
        return True

    @property
    def waiters(self) -> int:
        """How many callers wait."""
        return self._waiters

    def __len__(self) -> int:
        return len(self._rooms)
