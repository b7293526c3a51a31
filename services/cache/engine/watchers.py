"""Watchers: near caches that hear what to forget, from the follower and from this replica's own changes.

             link hears all replicas                       link hears all replicas again
    TRUST  ──────────────────────────▶ words ─── GAP ───▶ DOUBT ──────────────────────────▶ HEARTBEAT, TRUST
    (first word: HEARTBEAT)                               (first word where it cannot: GAP)

1. A watcher is told of every change in its namespaces between a HEARTBEAT and the next GAP. Changes may come twice, and
   one made here before an older one made elsewhere.
2. While this replica cannot hear the others it vouches for nothing: a GAP, again and again, and no HEARTBEAT.
3. Something is told four times a second, so silence is a break.
4. What waits for a slow watcher is bounded; where it does not fit, a GAP takes the place of all of it.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Final, NamedTuple

from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.change import Change, Mode
from services.cache.engine.link import Link
from services.cache.ports import Stamp
from services.chassis.refusal import Refusal

WATCHERS_MAX: Final = 1_000
"""Watchers of this replica. Each process with a near cache is one."""

WORDS_MAX: Final = 1_024
BYTES_MAX: Final = 1024 * 1024
"""What may wait for one watcher: words, and bytes of the names in them."""

BEAT_S: Final = 0.25
"""How long a watcher is left without a word, in seconds."""

TOLD_MAX: Final = 4_096
"""Own changes that are remembered, so that they are not told again when the follower hears of them."""

OVERLOADED_RETRY_MS: Final = 1_000
DRAINING_RETRY_MS: Final = 200


class Kind(IntEnum):
    """Why a watcher is told something. The numbers are those of the wire."""

    CHANGE = 1
    GAP = 2
    HEARTBEAT = 3


class Word(NamedTuple):
    """What a watcher is told. The stamp is that of the change, or where this replica stands."""

    kind: Kind
    stamp: Stamp
    change: Change | None = None


class Watcher:
    """What waits for one watcher."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._words: deque[tuple[Word, int]] = deque()
        self._bytes = 0
        self._vouched: bool | None = None
        self._ending: Refusal | None = None
        self._woken = asyncio.Event()

    def put(self, word: Word, size: int) -> None:
        """Add a change of so many bytes; where there is no room for it, a GAP takes the place of all that waits."""
        if len(self._words) >= WORDS_MAX or self._bytes + size > BYTES_MAX:
            self.gap(word.stamp)
            return
        self._words.append((word, size))
        self._bytes += size
        self._woken.set()

    def gap(self, stamp: Stamp) -> None:
        """Tell that whatever was told before, or still waits, is worth nothing."""
        self._words.clear()
        self._words.append((Word(Kind.GAP, stamp), 0))
        self._bytes = 0
        self._woken.set()

    def end(self, why: Refusal) -> None:
        """End once what waits has been taken."""
        self._ending = why
        self._woken.set()

    async def take(self) -> Word:
        """Wait for the next word, BEAT_S at the most. Raises the Refusal that ends it; only one task may take."""
        if not self._words and self._vouched is self._link.hears_all:
            await self._pause()
        if self._vouched is not self._link.hears_all:
            return self._state()
        if not self._words:
            if self._ending is not None:
                raise self._ending
            return self._state()
        word, size = self._words.popleft()
        self._bytes -= size
        if word.kind is Kind.GAP:
            self._vouched = False
        return word

    async def _pause(self) -> None:
        self._woken.clear()
        if self._ending is not None:
            return
        try:
            async with asyncio.timeout(BEAT_S):
                await self._woken.wait()
        except TimeoutError:
            return

    def _state(self) -> Word:
        """Tell whether this replica vouches for what it tells, and where it stands."""
        self._vouched = self._link.hears_all
        return Word(Kind.HEARTBEAT if self._vouched else Kind.GAP, Stamp(self._link.incarnation, self._link.known))


class Watchers:
    """All watchers of this replica, by the namespaces that they hear of."""

    def __init__(self, *, link: Link) -> None:
        self._link = link
        self._rooms: dict[str, set[Watcher]] = {}
        self._all: set[Watcher] = set()
        self._told: set[Stamp] = set()
        self._told_order: deque[Stamp] = deque()
        self._draining = False

    @contextmanager
    def watch(self, namespaces: Sequence[str]) -> Iterator[Watcher]:
        """Hear of changes in some namespaces for as long as the context lasts. Raises Refusal OVERLOADED, DRAINING."""
        if self._draining:
            raise _draining()
        if len(self._all) >= WATCHERS_MAX:
            raise Refusal(
                Reason.OVERLOADED,
                f"{WATCHERS_MAX} near caches watch, which is all that this replica takes",
                retry_in_ms=OVERLOADED_RETRY_MS,
            )
        watcher = Watcher(self._link)
        self._all.add(watcher)
        for namespace in namespaces:
            self._rooms.setdefault(namespace, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._all.discard(watcher)
            for namespace in namespaces:
                self._leave(namespace, watcher)

    def tell(self, change: Change, stamp: Stamp) -> None:
        """Tell of a change, this replica's own or one that it heard of; the same one again is left out.

        That a lease was given back changes nothing that could be kept.
        """
        if change.mode is Mode.RELEASE or stamp in self._told:
            return
        if self._link.is_up:  # stamps that this replica gave itself meanwhile may be given to others by the store
            self._remember(stamp)
        watching = self._rooms.get(change.namespace)
        if watching:
            word, size = Word(Kind.CHANGE, stamp, change), sum(len(name.encode()) for name in change.names)
            for watcher in watching:
                watcher.put(word, size)

    def gap(self) -> None:
        """Tell every watcher that something was missed, or forgotten as a whole."""
        stamp = Stamp(self._link.incarnation, self._link.known)
        for watcher in self._all:
            watcher.gap(stamp)

    def drain(self) -> None:
        """End every watch once it has what waits for it; none is let in any more."""
        self._draining = True
        for watcher in self._all:
            watcher.end(_draining())

    def __len__(self) -> int:
        return len(self._all)

    def _remember(self, stamp: Stamp) -> None:
        self._told.add(stamp)
        self._told_order.append(stamp)
        if len(self._told_order) > TOLD_MAX:
            self._told.discard(self._told_order.popleft())

    def _leave(self, namespace: str, watcher: Watcher) -> None:
        room = self._rooms.get(namespace)
        if room is not None:
            room.discard(watcher)
            if not room:
                del self._rooms[namespace]


def _draining() -> Refusal:
    return Refusal(Reason.DRAINING, "this replica goes away; watch at another one", retry_in_ms=DRAINING_RETRY_MS)
