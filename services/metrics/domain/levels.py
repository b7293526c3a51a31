"""A level that several processes tell their part of, such as the watchers of a track."""

from typing import Final

LEVEL_AGE_MS_MAX: Final = 30_000
"""A process that has not told its level for this long is gone, and its part with it."""
INSTANCES_MAX: Final = 64
"""The processes that are told apart."""


class Levels:
    """What each process said last."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int]] = {}

    def set(self, instance: str, amount: int, now_ms: int) -> bool:
        """Keep what a process says; False where there are too many processes."""
        if instance not in self._told and len(self._told) >= INSTANCES_MAX:
            self._told = {each: told for each, told in self._told.items() if now_ms - told[1] <= LEVEL_AGE_MS_MAX}
            if len(self._told) >= INSTANCES_MAX:
                return False
        self._told[instance] = (amount, now_ms)
        return True

    def total(self, now_ms: int) -> int:
        """Add up what the processes that are still there said."""
        return sum(amount for amount, at_ms in self._told.values() if now_ms - at_ms <= LEVEL_AGE_MS_MAX)

    def is_idle(self, now_ms: int) -> bool:
        """Tell whether no process is there any more."""
        return all(now_ms - at_ms > LEVEL_AGE_MS_MAX for _, at_ms in self._told.values())
