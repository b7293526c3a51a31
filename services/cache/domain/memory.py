"""L1: the entries that this process holds, bounded by the bytes that they really take.

The entry that was asked for the longest time ago goes first. Which policy keeps the most is a question for recorded
traces, not for this file's shape: `get`, `put` and `drop` would stay the same.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.cache.domain.entry import Entry, Key

HOLDING_BYTES: Final = 200
"""What holding an entry takes beside its objects: its place in the dictionary and in the order, at their usual load."""

_NUMBERS_BYTES: Final = 5 * 32


@dataclass(slots=True)
class Share:
    """What a namespace has in L1 now, and how many of its entries had to go to make room."""

    entries: int = 0
    bytes: int = 0
    evictions: int = 0


class Memory:
    """A bounded map from keys to entries. `bytes` never exceeds `bytes_max` when a method has returned."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max: Final = bytes_max
        self.bytes = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._shares: dict[str, Share] = {}

    def get(self, key: Key) -> Entry | None:
        """Find an entry, which then goes last."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: Key, entry: Entry) -> None:
        """Keep an entry, unless a newer one is kept already or it alone is larger than the bound."""
        known = self._entries.get(key)
        if known is not None:
            if known.incarnation == entry.incarnation and known.version > entry.version:
                return
            self.drop(key)
        taken = bytes_of(key, entry)
        if taken > self.bytes_max:
            return
        while self.bytes + taken > self.bytes_max:
            self._evict()
        self._entries[key] = entry
        share = self._share(key)
        share.entries += 1
        share.bytes += taken
        self.bytes += taken

    def drop(self, key: Key) -> None:
        """Forget an entry, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._forget(key, entry)

    def drop_older(self, key: Key, stamp: int) -> None:
        """Forget an entry that was written before `stamp`."""
        entry = self._entries.get(key)
        if entry is not None and entry.version < stamp:
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.bytes = 0
        for share in self._shares.values():
            share.entries = share.bytes = 0

    def share(self, namespace: str) -> Share:
        """Tell what a namespace has."""
        return self._shares.get(namespace, Share())

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def _evict(self) -> None:
        key, entry = self._entries.popitem(last=False)
        self._forget(key, entry)
        self._share(key).evictions += 1

    def _forget(self, key: Key, entry: Entry) -> None:
        taken = bytes_of(key, entry)
        self.bytes -= taken
        share = self._share(key)
        share.entries -= 1
        share.bytes -= taken

    def _share(self, key: Key) -> Share:
        share = self._shares.get(key.namespace)
        if share is None:
            share = self._shares[key.namespace] = Share()
        return share


def bytes_of(key: Key, entry: Entry) -> int:
    """Tell what holding an entry takes, its objects and its place."""
    size = sys.getsizeof
    tags = size(entry.tags) + sum(size(tag) for tag in entry.tags) if entry.tags else 0
    return HOLDING_BYTES + _NUMBERS_BYTES + size(key) + size(key.key) + size(entry) + size(entry.value) + tags
