"""The sliding window: time cut into slots of ten seconds, of which the last ten minutes are kept.

A window begins at the beginning of a slot, so that it never cuts one: it may be up to a slot longer than asked for.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

SLOT_MS: Final = 10_000
WINDOW_MS_MAX: Final = 600_000
SLOTS_MAX: Final = WINDOW_MS_MAX // SLOT_MS + 1
"""The slots of the longest window, and the one that has just begun."""

T = TypeVar("T")


def slot_of(at_ms: int) -> int:
    """Give the number of the slot in which `at_ms` lies."""
    return at_ms // SLOT_MS


def first_slot(now_ms: int, window_ms: int) -> int:
    """Give the first slot of the window of `window_ms` that ends at `now_ms`."""
    return slot_of(now_ms - window_ms)


class Window(Generic[T]):
    """One value per slot, made by `make` when something happens in the slot. Slots without anything take no room."""

    __slots__ = ("_make", "_slots")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._slots: deque[tuple[int, T]] = deque(maxlen=SLOTS_MAX)

    def at(self, now_ms: int) -> T:
        """Give the value of the slot of now. Time does not go back."""
        slot = slot_of(now_ms)
        if not self._slots or self._slots[-1][0] != slot:
            self._forget(slot)
            self._slots.append((slot, self._make()))
        return self._slots[-1][1]

    def since(self, first: int) -> Iterator[T]:
        """Give the values of slot `first` and all later ones."""
        return (value for slot, value in self._slots if slot >= first)

    def is_idle(self, now_ms: int) -> bool:
        """Tell whether nothing happened in the longest window."""
        return not self._slots or self._slots[-1][0] < first_slot(now_ms, WINDOW_MS_MAX)

    def _forget(self, slot: int) -> None:
        while self._slots and self._slots[0][0] <= slot - SLOTS_MAX:
            self._slots.popleft()
