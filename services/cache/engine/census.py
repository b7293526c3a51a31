"""The largest entries of each namespace: who takes the room.

Every entry is looked at, a slice at a time, so that no caller waits for it.
"""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.cache.domain.memory import Memory

LARGEST_MAX: Final = 10
"""Entries that are told of each namespace."""

SLICE: Final = 2_000
"""Entries that are looked at in one turn of the event loop: half a millisecond."""


class Size(NamedTuple):
    """What one entry takes in L1."""

    bytes: int
    key: str


async def largest(memory: Memory) -> Mapping[str, Sequence[Size]]:
    """Tell the largest entries by namespace, the largest first."""
    heaps: dict[str, list[Size]] = {}
    keys = list(memory)
    for start in range(0, len(keys), SLICE):
        for key in keys[start : start + SLICE]:
            size = memory.size(key)
            if size:  # it may have gone meanwhile
                _push(heaps.setdefault(key.namespace, []), Size(size, key.key))
        await asyncio.sleep(0)
    return {namespace: sorted(heap, reverse=True) for namespace, heap in heaps.items()}


def _push(heap: list[Size], size: Size) -> None:
    if len(heap) < LARGEST_MAX:
        heapq.heappush(heap, size)
    elif size > heap[0]:
        heapq.heapreplace(heap, size)
