"""Time as a calm machine would tell it, for bounds that are tested on a busy one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

BEAT_S: Final = 0.005
"""How often the event loop is looked at."""

LATE_S: Final = 0.002
"""What a timer may be late by on a calm machine."""


class Calm:
    """A clock that stands still while this event loop is not given the processor."""

    def __init__(self) -> None:
        self._stood_s = 0.0

    def now_s(self) -> float:
        """Tell the time."""
        return time.monotonic() - self._stood_s

    async def beat(self) -> None:
        """Keep it right."""
        while True:
            begun_s = time.monotonic()
            await asyncio.sleep(BEAT_S)
            self._stood_s += max(time.monotonic() - begun_s - BEAT_S - LATE_S, 0.0)


@asynccontextmanager
async def calm() -> AsyncIterator[Calm]:
    """Have a clock for as long as the block lasts."""
    clock = Calm()
    beating = asyncio.create_task(clock.beat())
    await asyncio.sleep(0)
    try:
        yield clock
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
