"""L1: the entries that this process holds, bounded by the bytes that they really take, each until it ends.

What is kept when there is no room for all is decided in `order.py`. What has ended goes first: a write takes a few of
those out before it asks for room.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.cache.domain.entry import Entry, Key
from services.cache.domain.expiries import Expiries
from services.cache.domain.order import Order, Place

HOLDING_BYTES: Final = 300
"""What holding an entry takes beside its objects: its places in the order and among the expiries, at their usual load,
as `tests/unit/cache/domain/test_memory.py` measures it."""

NUMBERS_BYTES: Final = 5 * 32
"""What an entry's five numbers take."""

LOST_LOG2: Final = 3
"""The allocator cannot move what it has given out, so between values of all sizes it loses up to an eighth of them:
`benchmarks/churn.py` shows it."""

ENDED_AT_ONCE: Final = 16
"""Entries that have ended and are taken out by one write."""


@dataclass(slots=True)
class Share:
    """What a namespace has in L1 now, and how many of its entries had to go to make room."""

    entries: int = 0
    bytes: int = 0
    evictions: int = 0


class Held(Place):
    """An entry in its place."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry, taken: int) -> None:
        self.bytes = taken
        self.uses = 0
        self.entry = entry


class Memory:
    """A bounded map from keys to entries. `bytes` never exceeds `bytes_max` when a method has returned."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max: Final = bytes_max
        self._order: Order[Key, Held] = Order(bytes_max)
        self._expiries = Expiries()
        self._shares: dict[str, Share] = {}

    @property
    def bytes(self) -> int:
        """What all entries take, and what is remembered of those that went."""
        return self._order.bytes + self.bytes_max - self._order.bytes_max

    def get(self, key: Key, now_ms: int) -> Entry | None:
        """Find an entry that has not ended."""
        held = self._order.use(key)
        if held is None:
            return None
        entry = held.entry
        if now_ms >= entry.stale_until_ms:
            self.drop(key)
            return None
        return entry

    def put(self, key: Key, entry: Entry, now_ms: int) -> None:
        """Keep an entry, unless it has ended, a newer one is kept already, or it alone is larger than the bound."""
        held = self._order.find(key)
        if held is not None:
            known = held.entry
            if known.incarnation == entry.incarnation and known.version > entry.version:
                return
        taken = bytes_of(key, entry)
        if taken > self._order.bytes_max or now_ms >= entry.stale_until_ms:
            self.drop(key)
            return
        self._drop_ended(now_ms)
        held = self._order.find(key)
        if held is None:
            self._add(key, Held(entry, taken))
        else:
            self._replace(key, held, entry, taken)

    def drop(self, key: Key) -> None:
        """Forget an entry, if it is there."""
        held = self._order.drop(key)
        if held is not None:
            self._forget(key, held)

    def drop_older(self, key: Key, stamp: int) -> None:
        """Forget an entry that was written before `stamp`."""
        held = self._order.find(key)
        if held is not None and held.entry.version < stamp:
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._order.clear()
        self._expiries.clear()
        for share in self._shares.values():
            share.entries = share.bytes = 0

    def share(self, namespace: str) -> Share:
        """Tell what a namespace has."""
        return self._shares.get(namespace, Share())

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._order)

    def _add(self, key: Key, held: Held) -> None:
        self._expiries.put(key, held.entry.stale_until_ms)
        share = self._share(key)
        share.entries += 1
        share.bytes += held.bytes
        self._evicted(self._order.add(key, held))

    def _replace(self, key: Key, held: Held, entry: Entry, taken: int) -> None:
        self._expiries.drop(key, held.entry.stale_until_ms)
        self._expiries.put(key, entry.stale_until_ms)
        self._share(key).bytes += taken - held.bytes
        held.entry = entry
        self._evicted(self._order.weigh(key, taken))

    def _drop_ended(self, now_ms: int) -> None:
        for _ in range(ENDED_AT_ONCE):
            key = self._expiries.ended(now_ms)
            if key is None:
                return
            self.drop(key)

    def _evicted(self, gone: list[tuple[Key, Held]]) -> None:
        for key, held in gone:
            self._forget(key, held)
            self._share(key).evictions += 1

    def _forget(self, key: Key, held: Held) -> None:
        self._expiries.drop(key, held.entry.stale_until_ms)
        share = self._share(key)
        share.entries -= 1
        share.bytes -= held.bytes

    def _share(self, key: Key) -> Share:
        share = self._shares.get(key.namespace)
        if share is None:
            share = self._shares[key.namespace] = Share()
        return share


def bytes_of(key: Key, entry: Entry) -> int:
    """Tell what holding an entry takes: its objects, its places, and what the allocator loses by it."""
    size = sys.getsizeof
    tags = size(entry.tags) + sum(size(tag) for tag in entry.tags) if entry.tags else 0
    lost = len(entry.value) >> LOST_LOG2
    return HOLDING_BYTES + NUMBERS_BYTES + size(key) + size(key.key) + size(entry) + size(entry.value) + lost + tags
