"""The database's pulse: whether it answers, asked regularly, so that readiness can be told at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

INTERVAL_S: Final = 1.0

MISSES_MAX: Final = 2
"""So many answers in a row that did not come mean that the database is gone. One is a busy moment: a call that meets it
is told so by itself, and turning every other caller away would make an outage of it."""

_log = structlog.get_logger(__name__)


class Pulse:
    """Asks `answers` every INTERVAL_S and counts what did not come; a defect is logged and counts as no answer."""

    def __init__(self, answers: Callable[[], Awaitable[bool]]) -> None:
        self._answers = answers
        self._misses = 0
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
        """Tell whether the database answered lately and somebody still asks."""
        return self._misses < MISSES_MAX and self._task is not None and not self._task.done()

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                answered = await self._answers()
            except Exception:
                answered = False
                _log.exception("pulse_failed")
            self._misses = 0 if answered else self._misses + 1
