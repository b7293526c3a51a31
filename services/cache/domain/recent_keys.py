"""The keys that changed last, for reads of the store that were under way at that moment.

A read that began before a change may bring the value from before it, after the change was heard of: it must not be
kept.
"""

from collections import OrderedDict

from services.cache.domain.bounds import RECENT_KEYS_MAX
from services.cache.domain.entry import Entry, Key


class RecentKeys:
    """Remembers the stamps of changed keys.

    A read remembers `count` when it begins and asks `outdates` when it ends. Only so many keys are remembered: a read
    that was overtaken by more changes than that counts as outdated, whatever it brought.
    """

    def __init__(self) -> None:
        self.count = 0
        self._stamps: OrderedDict[Key, int] = OrderedDict()

    def put(self, key: Key, stamp: int) -> None:
        """Remember a change of a key."""
        self.count += 1
        self._stamps[key] = max(stamp, self._stamps.pop(key, 0))
        if len(self._stamps) > RECENT_KEYS_MAX:
            self._stamps.popitem(last=False)

    def outdates(self, key: Key, entry: Entry, count: int) -> bool:
        """Tell whether the key was changed after the entry was written, as far as a read needs to know that began at
        `count`."""
        if self.count == count:
            return False
        return self.count - count > RECENT_KEYS_MAX or entry.version < self._stamps.get(key, 0)
