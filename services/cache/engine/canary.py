"""The canary: how stale the cache really is, measured all the time.

    every second   a replica writes an entry of its own, waits until that is acknowledged, and tells it on a topic
    whoever hears  reads that entry, from L1 first and then from L2 alone; an older one than was told is a stale read

1. What is told was acknowledged before, and its change stands on the topic of changes before the canary's word does. So
   a replica that has taken in what it was told has nothing older, and what it reads all the same is a defect or a
   Redis that went back in time.
2. No two clocks are compared. How late changes arrive is measured by the replica that made one: its own word comes back
   to it by the way that the others' take.
3. While Redis is down nothing is written or told. A read that finds nothing is no stale one.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from services.cache.domain.namespace import CANARY
from services.cache.engine.link import Link
from services.cache.engine.mailbox import Event, Kind
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.topics import Topics
from services.chassis.clock import Clock
from services.chassis.refusal import Refusal

CANARY_TOPIC: Final = "cache/canary"

LAGS_KEPT: Final = 1_000
"""Lags of which the percentiles are told."""

RESUME_S: Final = 1.0
"""When the canary listens again after it could not, in seconds."""

_log = structlog.get_logger(__name__)


class Canary:
    """Runs as two tasks from `start` to `close`. `replica` is a name that no other replica has."""

    def __init__(
        self, *, tiers: Tiers, topics: Topics, link: Link, clock: Clock, replica: str, interval_s: float
    ) -> None:
        self.reads = 0
        self.stale_reads = 0
        self.on_lag: Callable[[float], None] = lambda lag_s: None
        """Told of every lag, in seconds."""
        self._lags_s: deque[float] = deque(maxlen=LAGS_KEPT)
        self._tiers = tiers
        self._topics = topics
        self._link = link
        self._clock = clock
        self._replica = replica
        self._interval_s = interval_s
        self._sent_s: dict[int, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to write and to listen."""
        self._tasks = [
            asyncio.create_task(self._write_on(), name="canary writes"),
            asyncio.create_task(self._listen_on(), name="canary listens"),
        ]

    async def close(self) -> None:
        """Stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lag_ms(self, quantile: float) -> float:
        """Tell how late changes arrive, in milliseconds; 0 where nothing was measured yet."""
        lags_s = sorted(self._lags_s)
        return 1_000 * lags_s[min(int(quantile * len(lags_s)), len(lags_s) - 1)] if lags_s else 0.0

    async def write(self) -> None:
        """Write the entry of this replica and tell the others, if they can be told."""
        if not self._link.is_trusted:
            return
        version = await self._tiers.set(CANARY, [Item(self._replica, b"", 0, ())])
        if not self._link.is_up:
            return  # it stayed here, and nobody has it
        self._sent_s = {version: self._clock.monotonic_s()}  # only the last one is waited for
        with suppress(Refusal):  # Redis went away in between
            await self._topics.publish(CANARY_TOPIC, _encode(self._replica, version), "")

    async def hear(self, event: Event) -> None:
        """Read what a replica wrote, at both tiers."""
        told = _decode(event.payload) if event.kind is Kind.MESSAGE else None
        if told is None:
            return
        replica, version = told
        if replica == self._replica and (sent_s := self._sent_s.pop(version, None)) is not None:
            lag_s = self._clock.monotonic_s() - sent_s
            self._lags_s.append(lag_s)
            self.on_lag(lag_s)
        (near,) = await self._tiers.get(CANARY, (replica,), 0)
        self._judge(replica, version, near.version or None, "either")
        stored = await self._tiers.stored(CANARY, replica)
        self._judge(replica, version, None if stored is None else stored.version, "l2")

    def _judge(self, replica: str, told: int, found: int | None, tier: str) -> None:
        self.reads += 1
        if found is not None and found < told:
            self.stale_reads += 1
            _log.error("stale_read", tier=tier, writer=replica, told=told, found=found)

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.write()
            except Exception:
                _log.exception("canary_failed")  # a defect of ours; the measure goes on

    async def _listen_on(self) -> None:
        while True:
            try:
                with self._topics.subscribe(CANARY_TOPIC, None, own=True) as mailbox:
                    while True:
                        await self.hear(await mailbox.take())
            except Refusal:
                pass  # full, or going away
            except Exception:
                _log.exception("canary_failed")
            await asyncio.sleep(RESUME_S)


def _encode(replica: str, version: int) -> bytes:
    return json.dumps([replica, version]).encode()


def _decode(payload: bytes) -> tuple[str, int] | None:
    """Read what another canary told; None for what a later version says."""
    try:
        match json.loads(payload):
            case [str(replica), int(version)]:
                return replica, version
    except ValueError:
        pass
    return None
