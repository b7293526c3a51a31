"""Ghosts: what left L1 lately, remembered in eight bytes each.

A table of fixed size, in which a ghost takes the slot that its key's hash names and pushes out whoever was there. It
may forget, and once in millions of look-ups it mistakes one key for another: it only ever advises.

    23 bits   of the hash, to tell keys apart that share a slot
     1 bit    where the entry was when it left
    40 bits   how many bytes had left that place by then, as a time: a ghost grows old with what leaves after it
"""

from array import array
from collections.abc import Hashable
from enum import IntEnum
from typing import Final

SLOT_BYTES: Final = 8

_HASH_BITS: Final = 64
_SPREAD: Final = 0x9E3779B97F4A7C15
_AT_BITS: Final = 40
_AT: Final = (1 << _AT_BITS) - 1
_TOLD_APART: Final = (1 << 23) - 1


class Left(IntEnum):
    """The part of L1 that an entry left."""

    LOBBY = 0
    MAIN = 1


class Ghosts:
    """Remembers at most `1 << slots_log2` keys. Times are bytes, as the caller counts them."""

    def __init__(self, slots_log2: int) -> None:
        self._shift: Final = _HASH_BITS - slots_log2
        self._slots: Final = array("Q", bytes(SLOT_BYTES << slots_log2))

    @property
    def bytes(self) -> int:
        """What the table takes."""
        return len(self._slots) * SLOT_BYTES

    def put(self, key: Hashable, left: Left, at: int) -> None:
        """Remember that the key left at this time."""
        spread = hash(key) * _SPREAD & (1 << _HASH_BITS) - 1
        self._slots[spread >> self._shift] = ((spread & _TOLD_APART) << 1 | left) << _AT_BITS | at & _AT

    def take(self, key: Hashable) -> tuple[Left, int] | None:
        """Tell where and when the key left, and forget it; None when it is not remembered.

        The time comes back modulo 2^40: `age` compares it with the present.
        """
        spread = hash(key) * _SPREAD & (1 << _HASH_BITS) - 1
        slot = self._slots[spread >> self._shift]
        if slot >> _AT_BITS + 1 != spread & _TOLD_APART or not slot:
            return None
        self._slots[spread >> self._shift] = 0
        return Left(slot >> _AT_BITS & 1), slot & _AT


def age(at: int, now: int) -> int:
    """Tell how much has left since then. What is as old as 2^40 bytes seems young again, once in a terabyte."""
    return now - at & _AT
