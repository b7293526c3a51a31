"""The database's pulse: whether it answers, asked regularly, so that readiness can be told at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

INTERVAL_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Pulse:
    """Asks `answers` every INTERVAL_S and remembers what it said last; a defect is logged and counts as no answer."""

    def __init__(self, answers: Callable[[], Awaitable[bool]]) -> None:
        self._answers = answers
        self._beats = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._ask(), name="pulse")

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def beats(self) -> bool:
        """Tell whether the last answer was good and somebody still asks."""
        return self._beats and self._task is not None and not self._task.done()

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                self._beats = await self._answers()
            except Exception:
                self._beats = False
                _log.exception("pulse_failed")
