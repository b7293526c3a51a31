"""Waiting for something to become true, with a bound that has a name; nothing here waits for a time to pass."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.03


class NeverHappened(AssertionError):
    """What the test waited for did not come true within its bound."""


async def until(ask: Callable[[], Awaitable[T | None]], *, within_s: float, what: str) -> T:
    """Ask again and again until the answer is neither None nor False, and return it. Raises `NeverHappened`."""
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + within_s
    while True:
        answer = await ask()
        if answer is not None and answer is not False:
            return answer
        if loop.time() >= ends_at_s:
            raise NeverHappened(f"within {within_s} s: {what}")
        await asyncio.sleep(POLL_S)
