"""The keys that changed last, for reads of the store that were under way at that moment.

A read that began before a change may bring the value from before it, after the change was heard of: it must not be
kept, or only as stale where the change made it so.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from services.cache.domain.bounds import RECENT_KEYS_MAX
from services.cache.domain.change import Mode
from services.cache.domain.entry import Entry, Key
from services.cache.domain.marks import Fate


class _Stamps(NamedTuple):
    deleted: int
    expired: int


_NEVER: Final = _Stamps(0, 0)


class RecentKeys:
    """Remembers the stamps of changed keys.

    A read remembers `count` when it begins and asks for the `fate` of what it brought when it ends. Only so many keys
    are remembered: what a read brings that was overtaken by more changes than that is dead, whatever it is.
    """

    def __init__(self) -> None:
        self.count = 0
        self._stamps: OrderedDict[Key, _Stamps] = OrderedDict()

    def put(self, key: Key, mode: Mode, stamp: int) -> None:
        """Remember a change of a key."""
        self.count += 1
        deleted, expired = self._stamps.pop(key, _NEVER)
        if mode is Mode.EXPIRE:
            expired = max(expired, stamp)
        else:
            deleted = max(deleted, stamp)
        self._stamps[key] = _Stamps(deleted, expired)
        if len(self._stamps) > RECENT_KEYS_MAX:
            self._stamps.popitem(last=False)

    def fate(self, key: Key, entry: Entry, count: int) -> Fate:
        """Tell whether the key was changed after the entry was written, as far as a read needs to know that began at
        `count`."""
        if self.count == count:
            return Fate.ALIVE
        if self.count - count > RECENT_KEYS_MAX:
            return Fate.DEAD
        deleted, expired = self._stamps.get(key, _NEVER)
        if entry.version < deleted:
            return Fate.DEAD
        if entry.version < expired:
            return Fate.DEAD if entry.expired() is None else Fate.EXPIRED
        return Fate.ALIVE
