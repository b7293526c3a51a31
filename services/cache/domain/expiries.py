"""When entries end, in steps of some seconds, so that what has ended is found without looking at the rest."""

import heapq
from typing import Final

from services.cache.domain.entry import Key

STEP_MS: Final = 8_000
"""Entries that end within one step are found together, once the whole of it is over."""


class Expiries:
    """The keys that are kept, by the step in which they end."""

    def __init__(self) -> None:
        self._steps: dict[int, set[Key]] = {}
        self._order: list[int] = []

    def put(self, key: Key, until_ms: int) -> None:
        """Note when a key ends."""
        step = until_ms // STEP_MS
        keys = self._steps.get(step)
        if keys is None:
            keys = self._steps[step] = set()
            heapq.heappush(self._order, step)
        keys.add(key)

    def drop(self, key: Key, until_ms: int) -> None:
        """Forget a key that was put with this end."""
        step = until_ms // STEP_MS
        keys = self._steps[step]
        keys.remove(key)
        if not keys:
            del self._steps[step]  # its place in the order is passed over when its time comes

    def ended(self, now_ms: int) -> Key | None:
        """Tell one key whose step is over; None when there is none. It stays until it is dropped."""
        while self._order and (self._order[0] + 1) * STEP_MS <= now_ms:
            keys = self._steps.get(self._order[0])
            if keys:
                return next(iter(keys))
            heapq.heappop(self._order)
        return None

    def clear(self) -> None:
        """Forget all of them."""
        self._steps.clear()
        self._order.clear()
