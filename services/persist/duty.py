"""A duty of persist: work that nobody calls for, done again and again for as long as the process lives."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.chassis.waiting import until

INTERVAL_MS: Final = 60 * 60 * 1000
"""The time between two rounds of a duty; nobody waits for it."""

_log = structlog.get_logger(__name__)


class Duty:
    """Does `work` at the start, every INTERVAL_MS, when it is woken, and `retry_ms` after it went wrong.

    Whatever goes wrong is logged with the duty's name.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], clock: Clock, *, retry_ms: int) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._retry_ms = retry_ms
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._go_on(), name=self._name)

    def wake(self) -> None:
        """Do it now: there may be work."""
        self._woken.set()

    async def close(self) -> None:
        """End; what is under way is rolled back or has been committed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            pause_ms = INTERVAL_MS if await self._done() else self._retry_ms
            await until(self._clock, self._clock.now_ms() + pause_ms, self._woken)

    async def _done(self) -> bool:
        try:
            await self._work()
        except Refusal as refusal:
            _log.warning("duty_put_off", duty=self._name, cause=refusal.message)
            return False
        except Exception:
            _log.exception("duty_failed", duty=self._name)
            return False
        return True
