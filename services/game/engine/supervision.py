"""Supervision: work that must go on for as long as the game does is begun again when a defect ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

import structlog

from services.chassis.clock import Clock

PAUSE_AFTER_DEFECT_MS: Final = 1_000

_log = structlog.get_logger(__name__)


def supervise(name: str, clock: Clock, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Start work that goes on until the task is cancelled; every defect is logged and the work begun again.

    The task has a context of its own: it inherits neither deadline nor trace of the call that happened to start it.
    """
    return asyncio.create_task(_for_ever(name, clock, run), name=name, context=Context())


async def _for_ever(name: str, clock: Clock, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await run()
        except Exception:
            _log.exception("ended by a defect", work=name)
        await clock.sleep_until_ms(clock.now_ms() + PAUSE_AFTER_DEFECT_MS)
