"""What is bounded in time and outlives its callers: connecting, and carrying what several of them asked for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from services.cache.ports import StoreDown

GRACE_TURNS: Final = 8
"""Turns that the event loop is given to find an answer that has arrived when time is up. A busy loop looks at its
sockets late; that is no fault of Redis."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Errands:
    """Holds what is under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, errand: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something and hold it to its end."""
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def run(self, errand: Coroutine[Any, Any, T], within_s: float) -> T:
        """Begin something and wait for its end. Raises StoreDown when that takes too long."""
        task = self.start(errand)
        await asyncio.wait({task}, timeout=within_s)
        for _ in range(GRACE_TURNS):
            if task.done():
                break
            await asyncio.sleep(0)
        else:
            task.cancel()
            raise StoreDown(f"no answer within {within_s * 1_000:.0f} ms")
        return task.result()

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoreDown):
            _log.error("errand_failed", exc_info=error)  # a defect of ours, whose caller may be gone
