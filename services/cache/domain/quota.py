"""A quota: what one namespace may take of L1, and which of its entries go when it would take more.

They go in turns, the oldest first. One that was used since its last turn gives a use for another turn, the same uses
that save it in `order.py`. So a namespace that is at its quota pushes out its own entries and nobody else's.
"""

from collections import OrderedDict
from typing import Final

from services.cache.domain.entry import Key
from services.cache.domain.order import TURNS_MAX, Place

LISTED_BYTES: Final = 96
"""What an entry's place among the turns takes, as `tests/unit/cache/domain/test_quota.py` measures it."""


class Quota:
    """The entries of one namespace in the order of their turns."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max: Final = bytes_max
        self._turns: OrderedDict[Key, Place] = OrderedDict()

    def add(self, key: Key, place: Place) -> None:
        """Let a key take its turns from now on."""
        self._turns[key] = place

    def drop(self, key: Key) -> None:
        """Take out a key that is there."""
        del self._turns[key]

    def clear(self) -> None:
        """Take all out."""
        self._turns.clear()

    def next(self) -> Key:
        """Tell who has to go next; there must be somebody. It stays until it is dropped."""
        for _ in range(TURNS_MAX):
            key, place = next(iter(self._turns.items()))
            if not place.uses:
                return key
            place.uses -= 1
            self._turns.move_to_end(key)
        return next(iter(self._turns))
