"""Expiry: what tickets bought at tills can claim goes to the house when nobody has come for it in time."""

import asyncio
from typing import Final

import structlog

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.persist.ports import Prizes

INTERVAL_MS: Final = 60 * 60 * 1000
"""The time between two rounds of letting go; nobody waits for it."""

_log = structlog.get_logger(__name__)


class Expiry:
    """Lets go of prizes that nobody has claimed for `claim_days`, at the start and every INTERVAL_MS.

    Whatever goes wrong is logged and tried again the next time. How long a prize has waited is told by the database's
    clock alone; `clock` wakes the task.
    """

    def __init__(self, *, prizes: Prizes, claim_days: int, clock: Clock) -> None:
        self._prizes = prizes
        self._claim_days = claim_days
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="expiry")

    async def close(self) -> None:
        """End; what is under way is rolled back or has been committed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._sweep()
            await self._clock.sleep_until_ms(self._clock.now_ms() + INTERVAL_MS)

    async def _sweep(self) -> None:
        expired = 0
        try:
            while tickets := await self._prizes.expire(self._claim_days):
                expired += tickets
        except Refusal as refusal:
            _log.warning("expiry_put_off", cause=refusal.message)
        except Exception:
            _log.exception("expiry_failed")
        if expired:
            _log.info("prizes_expired", tickets=expired)
