"""L1: the entries that this process holds, bounded by the bytes that they really take, each until it ends.

What is kept when there is no room for all is decided in `order.py`, and in `quota.py` for a namespace that has all it
may have. What has ended goes first: a write takes a few of those out before it asks for room.
"""

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from services.cache.domain.entry import Entry, Key
from services.cache.domain.expiries import Expiries
from services.cache.domain.order import Order, Place
from services.cache.domain.quota import LISTED_BYTES, Quota

HOLDING_BYTES: Final = 300
"""What holding an entry takes beside its objects: its places in the order and among the expiries, at their usual load,
as `tests/unit/cache/domain/test_memory.py` measures it."""

NUMBERS_BYTES: Final = 6 * 32
"""What an entry's six numbers take."""

LOST_LOG2: Final = 3
"""The allocator cannot move what it has given out, so between values of all sizes it loses up to an eighth of them:
`benchmarks/churn.py` shows it."""

ENDED_AT_ONCE: Final = 16
"""Entries that have ended and are taken out by one write."""

SLIDES_IN_TTL: Final = 16
"""How often an entry that is read all the time is made to live on, in its time to live."""

EVICTED_AGES_KEPT: Final = 128
"""Evictions of a namespace whose ages are remembered."""

NO_QUOTAS: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(slots=True)
class Share:
    """What a namespace has in L1 now, and how many of its entries had to go to make room.

    Without a `quota` it may have all of it.
    """

    quota: Quota | None = None
    entries: int = 0
    bytes: int = 0
    evictions: int = 0
    evicted_ages_ms: deque[int] = field(default_factory=lambda: deque(maxlen=EVICTED_AGES_KEPT))

    @property
    def evicted_age_ms(self) -> int:
        """How old the entries were that had to go last, the median; 0 where none had to."""
        ages_ms = sorted(self.evicted_ages_ms)
        return ages_ms[len(ages_ms) // 2] if ages_ms else 0


class Held(Place):
    """An entry in its place."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry, taken: int) -> None:
        self.bytes = taken
        self.uses = 0
        self.entry = entry


class Memory:
    """A bounded map from keys to entries. `bytes` never exceeds `bytes_max` when a method has returned.

    `quotas` are the bytes that a namespace may have; one that is not named may have all.
    """

    def __init__(self, bytes_max: int, quotas: Mapping[str, int] = NO_QUOTAS) -> None:
        self.bytes_max: Final = bytes_max
        self._order: Order[Key, Held] = Order(bytes_max)
        self._expiries = Expiries()
        self._shares = {name: Share(quota=Quota(quota)) for name, quota in quotas.items() if quota < bytes_max}

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
        share = self._share(key)
        quota = share.quota
        taken = bytes_of(key, entry) + (LISTED_BYTES if quota else 0)
        most = min(quota.bytes_max, self._order.bytes_max) if quota else self._order.bytes_max
        if taken > most or now_ms >= entry.stale_until_ms:
            self.drop(key)
            return
        self._drop_ended(now_ms)
        if quota is not None:
            self._keep_quota(key, share, quota, taken, now_ms)
        held = self._order.find(key)
        if held is None:
            self._add(key, share, Held(entry, taken), now_ms)
        else:
            self._replace(key, share, held, entry, taken, now_ms)

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

    def expire_older(self, key: Key, stamp: int) -> None:
        """Make an entry stale that was written before `stamp`."""
        held = self._order.find(key)
        if held is None or held.entry.version >= stamp:
            return
        expired = held.entry.expired()
        if expired is None:
            self.drop(key)
        else:
            held.entry = expired

    def slide(self, key: Key, ttl_ms: int, now_ms: int) -> Entry | None:
        """Let an entry live on that was read; the one that it became, None where that is not worth a word.

        It lives on only while it is fresh, and once in a SLIDES_IN_TTL-th of its time at the most.
        """
        held = self._order.find(key)
        if held is None or not held.entry.slides:
            return None
        left_ms = held.entry.fresh_until_ms - now_ms
        if not 0 < left_ms <= ttl_ms - ttl_ms // SLIDES_IN_TTL:
            return None
        self._expiries.drop(key, held.entry.stale_until_ms)
        held.entry = held.entry.slid(now_ms + ttl_ms)
        self._expiries.put(key, held.entry.stale_until_ms)
        return held.entry

    def clear(self) -> None:
        """Forget everything."""
        self._order.clear()
        self._expiries.clear()
        for share in self._shares.values():
            share.entries = share.bytes = 0
            if share.quota is not None:
                share.quota.clear()

    def share(self, namespace: str) -> Share:
        """Tell what a namespace has."""
        return self._shares.get(namespace, Share())

    def bytes_max_of(self, namespace: str) -> int:
        """Tell how much a namespace may have."""
        quota = self.share(namespace).quota
        return self.bytes_max if quota is None else quota.bytes_max

    def size(self, key: Key) -> int:
        """Tell what holding an entry takes; 0 where it is not there. It is no use of the entry."""
        held = self._order.find(key)
        return 0 if held is None else held.bytes

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._order)

    def _add(self, key: Key, share: Share, held: Held, now_ms: int) -> None:
        self._expiries.put(key, held.entry.stale_until_ms)
        share.entries += 1
        share.bytes += held.bytes
        if share.quota is not None:
            share.quota.add(key, held)
        self._evicted(self._order.add(key, held), now_ms)

    def _replace(self, key: Key, share: Share, held: Held, entry: Entry, taken: int, now_ms: int) -> None:
        self._expiries.drop(key, held.entry.stale_until_ms)
        self._expiries.put(key, entry.stale_until_ms)
        share.bytes += taken - held.bytes
        held.entry = entry
        self._evicted(self._order.weigh(key, taken), now_ms)

    def _keep_quota(self, key: Key, share: Share, quota: Quota, taken: int, now_ms: int) -> None:
        """Make room in a namespace's quota for an entry that will take `taken` bytes."""
        held = self._order.find(key)
        more = taken - (held.bytes if held is not None else 0)
        while share.bytes + more > quota.bytes_max:
            victim = quota.next()
            if victim == key:
                more = taken  # it goes as well, and comes in again
            gone = self._order.drop(victim)
            assert gone is not None, "what takes turns is there"
            self._evicted([(victim, gone)], now_ms)

    def _drop_ended(self, now_ms: int) -> None:
        for _ in range(ENDED_AT_ONCE):
            key = self._expiries.ended(now_ms)
            if key is None:
                return
            self.drop(key)

    def _evicted(self, gone: list[tuple[Key, Held]], now_ms: int) -> None:
        for key, held in gone:
            self._forget(key, held)
            share = self._share(key)
            share.evictions += 1
            share.evicted_ages_ms.append(max(now_ms - held.entry.created_ms, 0))

    def _forget(self, key: Key, held: Held) -> None:
        self._expiries.drop(key, held.entry.stale_until_ms)
        share = self._share(key)
        share.entries -= 1
        share.bytes -= held.bytes
        if share.quota is not None:
            share.quota.drop(key)

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
