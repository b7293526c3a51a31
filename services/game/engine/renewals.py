"""Renewals: all leases that this game holds are renewed together, three times in their life.

    led tracks ──▶ one call, however many ──▶ those it had: they last longer
                                         └──▶ those it had not: their terms are over, at once

A lease counts from before the request was sent, on this machine's monotonic clock, so this game stops leading before
the database lets another begin, whatever became of the call.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from furlong.client.identity import CHANCE_BYTES, uuid7

from services.chassis.chance import Chance
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.chassis.waiting import until
from services.game.engine.backoff import backoff_ms
from services.game.engine.supervision import supervise
from services.game.ports import Leases

RENEWALS_PER_LEASE: Final = 3
LEASES_IN_CALL: Final = 500
"""Leases that one call renews; a game that leads more tracks makes more calls."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class _Term:
    """A lease that is held until `ends_at_s` on the monotonic clock. It is `told` when that is sooner than it was."""

    track: str
    epoch: int
    ends_at_s: float
    told: asyncio.Event = field(default_factory=asyncio.Event)


class Renewals:
    """Renews the leases of one holder. They last `ttl_ms` milliseconds."""

    def __init__(self, *, holder: str, ttl_ms: int, leases: Leases, clock: Clock, chance: Chance) -> None:
        self._holder = holder
        self._ttl_ms = ttl_ms
        self._leases = leases
        self._clock = clock
        self._chance = chance
        self._terms: set[_Term] = set()
        self._renewing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew."""
        self._renewing = supervise("lease renewals", self._clock, self._renew_for_ever)

    @property
    def is_alive(self) -> bool:
        """Tell whether the renewing goes on."""
        return self._renewing is not None and not self._renewing.done()

    async def close(self) -> None:
        """Stop renewing; leases that are still held end by themselves."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    async def keep(self, track: str, epoch: int, ends_at_s: float) -> None:
        """Have a lease renewed that was taken until `ends_at_s`; return when it has ended or was lost."""
        term = _Term(track=track, epoch=epoch, ends_at_s=ends_at_s)
        self._terms.add(term)
        try:
            while (left_ms := self._left_ms(term)) > 0:
                await until(self._clock, self._clock.now_ms() + left_ms, term.told)
        finally:
            self._terms.discard(term)

    async def _renew_for_ever(self) -> None:
        attempt = 0
        while True:
            wait_ms = self._ttl_ms // RENEWALS_PER_LEASE
            try:
                await self._renew()
            except Refusal as refusal:
                _log.warning("leases not renewed", leases=len(self._terms), refusal=str(refusal))
                wait_ms = min(wait_ms, backoff_ms(attempt))
                attempt += 1
            else:
                attempt = 0
            await self._clock.sleep_until_ms(self._clock.now_ms() + wait_ms)

    async def _renew(self) -> None:
        terms = list(self._terms)
        for first in range(0, len(terms), LEASES_IN_CALL):
            await self._renew_together(terms[first : first + LEASES_IN_CALL])

    async def _renew_together(self, terms: Sequence[_Term]) -> None:
        asked_at_s = self._clock.monotonic_s()
        renewed = await self._leases.renew(
            request_id=uuid7(self._clock.now_ms(), self._chance.bytes(CHANCE_BYTES)),
            holder=self._holder,
            held={term.track: term.epoch for term in terms},
            ttl_ms=self._ttl_ms,
        )
        still = set(renewed)
        for term in terms:
            if term.track in still:
                term.ends_at_s = asked_at_s + self._ttl_ms / 1_000
            else:
                term.ends_at_s = asked_at_s
                term.told.set()

    def _left_ms(self, term: _Term) -> int:
        return max(int((term.ends_at_s - self._clock.monotonic_s()) * 1_000), 0)
