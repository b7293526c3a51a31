"""Cadence: watchers that want something equally often get it at the same instants, so that one frame serves them all.

Intervals are rounded up to `GRAIN_MS`, which bounds how many groups there can be.
"""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

GRAIN_MS: Final = 100

W = TypeVar("W")


class Group(Generic[W]):
    """Watchers of one interval. `next_at_ms` is the earliest time of their next frame."""

    __slots__ = ("interval_ms", "next_at_ms", "watchers")

    def __init__(self, interval_ms: int, now_ms: int) -> None:
        self.interval_ms = interval_ms
        self.next_at_ms = now_ms + interval_ms
        self.watchers: set[W] = set()


class Cadence(Generic[W]):
    """The groups of one room."""

    def __init__(self) -> None:
        self._groups: dict[int, Group[W]] = {}

    def __iter__(self) -> Iterator[Group[W]]:
        return iter(self._groups.values())

    def join(self, watcher: W, interval_ms: int, now_ms: int) -> None:
        """Put a watcher into the group of its interval."""
        grained_ms = -(-interval_ms // GRAIN_MS) * GRAIN_MS
        group = self._groups.get(grained_ms)
        if group is None:
            group = self._groups[grained_ms] = Group(grained_ms, now_ms)
        group.watchers.add(watcher)

    def leave(self, watcher: W, interval_ms: int) -> None:
        """Take a watcher out; a group without watchers ends."""
        grained_ms = -(-interval_ms // GRAIN_MS) * GRAIN_MS
        group = self._groups[grained_ms]
        group.watchers.discard(watcher)
        if not group.watchers:
            del self._groups[grained_ms]
