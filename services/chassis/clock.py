"""Time as a port, so that a whole stack can be driven by a simulated clock."""

import asyncio
import time
from typing import Protocol

# The wall clock may be set while we sleep towards a time of day, so long sleeps look at it again this often.
SLEEP_LOOK_MS_MAX = 1_000


class Clock(Protocol):
    """What the shell asks about time; the domain is given times as arguments."""

    def now_ms(self) -> int:
        """Tell the time of day in milliseconds since the Unix epoch."""

    def monotonic_s(self) -> float:
        """Tell seconds on a clock that never goes back, for measuring how long something takes."""

    async def sleep_until_ms(self, at_ms: int) -> None:
        """Return when `now_ms()` has reached `at_ms`; at once when it already has."""


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        """Tell the time of day in milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Tell seconds on the monotonic clock; asyncio's timers use the same one."""
        return time.monotonic()

    async def sleep_until_ms(self, at_ms: int) -> None:
        """Return when the wall clock has reached `at_ms`, also when it is set forward or back meanwhile."""
        while (left_ms := at_ms - self.now_ms()) > 0:  # noqa: ASYNC110 - no event tells what time it is
            await asyncio.sleep(min(left_ms, SLEEP_LOOK_MS_MAX) / 1_000)
