"""How long to wait before asking again: doubling, bounded, and never in step with everybody else."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

ASKED_MS_MAX = 30_000
"""The longest wait that a server may ask for, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time and chance as a client needs them: a clock and a sleep in seconds, and a random number in [0, 1)."""

    monotonic_s: Callable[[], float] = time.monotonic
    sleep_s: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.SystemRandom().random


SYSTEM_TIMING = Timing()


class Backoff:
    """The waits between attempts: twice the one before, from `first_ms` to `max_ms`, less up to a half by chance."""

    def __init__(self, first_ms: int, max_ms: int, chance: Callable[[], float]) -> None:
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._chance = chance
        self._step_ms = first_ms

    def next_s(self, asked_ms: int | None = None) -> float:
        """Tell the next wait in seconds: what the server asked for, if it did, and a step of our own on top."""
        own_ms = self._step_ms * (1 - self._chance() / 2)
        self._step_ms = min(self._step_ms * 2, self._max_ms)
        return (own_ms + min(asked_ms or 0, ASKED_MS_MAX)) / 1000

    def reset(self) -> None:
        """Begin with the shortest wait again, because an attempt got somewhere."""
        self._step_ms = self._first_ms
