"""Calls that outlive their callers.

redis-py closes a connection when a call on it is cancelled, for it cannot tell where the next answer begins; callers
who give up would cost everybody their connections. And a cancel that meets a time-out within it can be lost. So a call
is carried to its end, which is never far: every one is bounded in time.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Errands:
    """Holds the calls that are under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, errand: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a call."""
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def run(self, errand: Coroutine[Any, Any, T]) -> T:
        """Begin a call and wait for its end; a caller that is cancelled leaves it to itself."""
        return await asyncio.shield(self.start(errand))

    async def close(self) -> None:
        """Wait for the calls that are under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, because the caller may be gone
