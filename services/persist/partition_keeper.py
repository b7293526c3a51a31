"""The keeper of partitions: makes tomorrow's before tomorrow comes, whether rounds are opened or not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.chassis.clock import Clock

INTERVAL_MS: Final = 3_600_000

RETRY_MS: Final = 60_000
"""How soon a round of duty that failed is tried again; partitions are made two days ahead."""

_log = structlog.get_logger(__name__)


class PartitionKeeper:
    """Calls `make` at the start and then every INTERVAL_MS, for as long as the process lives."""

    def __init__(self, make: Callable[[], Awaitable[int]], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make what is missing now, before the first ticket comes. Raises what `make` raises."""
        self._tell(await self._make())
        self._task = asyncio.create_task(self._keep(), name="partition-keeper")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        pause_ms = INTERVAL_MS
        while True:
            await self._clock.sleep_until_ms(self._clock.now_ms() + pause_ms)
            try:
                self._tell(await self._make())
                pause_ms = INTERVAL_MS
            except Exception as error:  # whatever it was: without partitions nothing can be sold in two days
                _log.error("partitions_not_made", cause=repr(error))
                pause_ms = RETRY_MS

    def _tell(self, made: int) -> None:
        if made:
            _log.info("partitions_made", partitions=made)
