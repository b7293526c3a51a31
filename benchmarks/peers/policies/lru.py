"""LRU: what was not asked for for the longest time goes first."""

from collections import OrderedDict


class Lru:
    """Keys in the order of their last use."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._keys: OrderedDict[int, int] = OrderedDict()

    def request(self, key: int, taken: int) -> bool:
        """See `Policy`."""
        if key in self._keys:
            self._keys.move_to_end(key)
            return True
        self._keys[key] = taken
        self._bytes += taken
        while self._bytes > self._bytes_max:
            self._bytes -= self._keys.popitem(last=False)[1]
        return False
