"""One namespace near: find it on the shelf, join a load, ask the service, or load it.

    call ── on the shelf ─────────────────────────────────────────────────────────────▶ answer
      └── a load of it is under way ── joined ────────────────────────────────────────▶ its answer
      └── service ── HIT, ABSENT ─────────────────────────────────────────────────────▶ answer, kept here
              ├── STALE ── answer at once; who has the lease loads in the background
              ├── MISS with the lease ── load ── answer ── fill ── stored ────────────▶ kept here
              ├── MISS, somebody else loads ── ask again, until PATIENCE_S are over
              └── no answer, or one that is older than what was heard ── load ────────▶ answer, not kept

1. An answer that is older than a change that was heard before is given to nobody.
2. Kept is only what no change has outdated since the service was asked, in the session in which it was.
3. What a replica found is kept only LAG_S after the session began: until then it may be older than a change that was
   missed before. What was loaded here under a lease is as new as its token.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from furlong.cache.v1.cache_service_pb2 import Found, Item
from furlong.client import deadline
from furlong.client.backoff import Timing
from furlong.client.near.change import Change
from furlong.client.near.flight import NO_VERSION, Flight, Flights
from furlong.client.near.policy import VALUE_BYTES_MAX, Coherence, NearPolicy
from furlong.client.near.service import Service
from furlong.client.near.shelf import Held, Shelf, Verdict
from furlong.client.near.tally import NearCounts
from furlong.client.near.trust import Trust

WAIT_MS: Final = 400
"""How long the service is asked to wait for somebody else's load, in milliseconds; the most that it takes."""

PATIENCE_S: Final = 1.0
"""How long somebody else's load is waited for in all, in seconds. Then it is loaded here, and not kept."""

BACKGROUND_S: Final = 10.0
"""How long a load in the background may take, in seconds."""

ERRANDS_MAX: Final = 64
"""Leases that are being given back at once."""

REFRESHES_MAX: Final = 64
"""Loads in the background of one namespace; while there are so many, what is stale stays so."""

_ENTRIES: Final = frozenset((Found.HIT, Found.STALE, Found.ABSENT))

_log = logging.getLogger(__name__)

Load = Callable[[], Awaitable[bytes | None]]
"""Loads an entry; None where there is nothing."""


class NearNamespace:
    """Entries of one namespace."""

    def __init__(self, policy: NearPolicy, *, trust: Trust, service: Service, timing: Timing) -> None:
        self.shelf: Final = Shelf(policy, trust)
        self.counts: Final = NearCounts()
        self._policy = policy
        self._trust = trust
        self._service = service
        self._timing = timing
        self.monotonic_s: Final = timing.monotonic_s
        self.flights: Final = Flights()
        self._errands: set[asyncio.Task[None]] = set()
        self._refreshes = 0
        self._is_closed = False

    async def fetch(self, key: str, load: Load, tags: Sequence[str]) -> bytes | None:
        """Get what is not fresh on the shelf. Raises what the load raises."""
        held = self.shelf.find_stale(key, self._timing.monotonic_s())
        if held is not None:
            self.counts.stale += 1
            self._refresh(key, load, tags)
            return held.value
        flight = self.flights.find(key)
        if flight is None:
            flight = self.flights.start(key, lambda flight: self._bring(flight, load, tags))
        else:
            self.counts.joins += 1
        return await flight.wait()

    def hear(self, change: Change) -> None:
        """Forget what a change covers."""
        self.shelf.hear(change, self._timing.monotonic_s())
        self.flights.hear(change)

    def end_session(self) -> None:
        """Doubt everything."""
        self.shelf.end_session()

    def stats(self) -> NearCounts:
        """Tell what was counted, and what is kept now."""
        self.counts.evictions = self.shelf.evictions
        self.counts.entries = len(self.shelf)
        self.counts.bytes = self.shelf.bytes
        return self.counts

    async def close(self) -> None:
        """Ask the service for nothing more. Loads go on for those who wait for them."""
        self._is_closed = True
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def _refresh(self, key: str, load: Load, tags: Sequence[str]) -> None:
        if self.flights.find(key) is not None or self._refreshes >= REFRESHES_MAX:
            return
        self._refreshes += 1
        flight = self.flights.start(key, lambda flight: self._bring(flight, load, tags), holds=True)
        assert flight.task is not None, "it was started"
        flight.task.add_done_callback(self._refreshed)

    def _refreshed(self, _: object) -> None:
        self._refreshes -= 1

    async def _bring(self, flight: Flight, load: Load, tags: Sequence[str]) -> None:
        deadline.set_inbound(None)  # a load is not only for the caller who began it
        try:
            found, asked_s = await self._look(flight)
            if found is not None and found.outcome in _ENTRIES:
                self._take(flight, found, asked_s)
            if found is not None and found.HasField("lease"):
                await self._load_leased(flight, load, tags, found.lease.token)
            elif not flight.is_answered:
                await self._load_alone(flight, load)
        except Exception as error:
            if not flight.fail(error):
                self.counts.failed += 1
                _log.warning("loading %r in the background failed", flight.key, exc_info=error)

    async def _look(self, flight: Flight) -> tuple[Found | None, float]:
        """Ask the service, again while somebody else loads, and tell when it was asked; None where no answer came."""
        until_s = self._timing.monotonic_s() + PATIENCE_S
        wait_ms = 0
        while True:
            flight.session, asked_s = self._trust.session, self._timing.monotonic_s()
            if self._is_closed:
                return None, asked_s
            found = await self._service.look(
                self._policy.namespace, flight.key, max_stale_ms=self._policy.stale_ms, wait_ms=wait_ms
            )
            if found is None:
                self.counts.unanswered += 1
                return None, asked_s
            if found.outcome in _ENTRIES or found.HasField("lease") or not found.retry_after_ms:
                return found, asked_s
            now_s = self._timing.monotonic_s()
            if now_s >= until_s:
                return found, asked_s
            if wait_ms and now_s - asked_s < wait_ms / 2000:  # it has more who wait than it lets
                await self._timing.sleep_s(min(found.retry_after_ms / 1000, until_s - now_s))
            wait_ms = WAIT_MS

    def _take(self, flight: Flight, found: Found, asked_s: float) -> None:
        """Answer with an entry unless it is older than what was heard, and keep it where that is right."""
        flight.version, flight.is_outdated = found.version, False  # what was heard meanwhile is judged by its version
        verdict = self.shelf.judge(flight.key, found.version, self._timing.monotonic_s())
        if verdict is Verdict.DEAD or (verdict is Verdict.EXPIRED and not self._policy.stale_ms):
            return
        self.counts.found += 1
        value = None if found.outcome == Found.ABSENT else found.value
        flight.answer(value)
        if verdict is Verdict.ALIVE and found.outcome != Found.STALE and asked_s >= self._trust.settled_s:
            self._keep(flight, value, version=found.version, right_s=asked_s, fresh_for_ms=found.fresh_for_ms)

    async def _load_leased(self, flight: Flight, load: Load, tags: Sequence[str], token: int) -> None:
        """Load with the right to fill. The service says whether the fill came in time."""
        flight.version = token
        flight.is_outdated = self.shelf.judge(flight.key, token, self._timing.monotonic_s()) is not Verdict.ALIVE
        begun_s = self._timing.monotonic_s()
        try:
            value = await self._load(flight, load)
        except BaseException:
            self._release(flight.key, token)
            raise
        if value is not None and len(value) > VALUE_BYTES_MAX:
            self._release(flight.key, token)
            return
        if self._is_closed:
            return
        loaded_s = self._timing.monotonic_s()
        item = Item(
            key=flight.key,
            value=value or b"",
            ttl_ms=self._policy.ttl_ms,
            tags=tags,
            absent=value is None,
            load_ms=round((loaded_s - begun_s) * 1000),
        )
        filled = await self._service.fill(self._policy.namespace, item, token)
        if filled is None:
            self.counts.unanswered += 1
            self._release(flight.key, token)  # others would wait for what never comes
        elif not filled.stored:
            self.counts.refused += 1
        else:
            self._keep(flight, value, version=token, right_s=begun_s, fresh_for_ms=filled.fresh_for_ms)

    async def _load_alone(self, flight: Flight, load: Load) -> None:
        """Load without the service. STRICT entries are not kept, for nobody could say when they end to be true."""
        flight.version, flight.is_outdated = NO_VERSION, False
        begun_s = self._timing.monotonic_s()
        value = await self._load(flight, load)
        if self._policy.coherence is not Coherence.STRICT:
            self._keep(flight, value, version=NO_VERSION, right_s=begun_s, fresh_for_ms=self._policy.ttl_ms)

    async def _load(self, flight: Flight, load: Load) -> bytes | None:
        self.counts.loads += 1
        in_background = flight.holds or flight.is_answered
        async with asyncio.timeout(BACKGROUND_S if in_background else None):
            value = await load()
        flight.answer(value)
        return value

    def _keep(self, flight: Flight, value: bytes | None, *, version: int, right_s: float, fresh_for_ms: int) -> None:
        """Keep what nothing has outdated since the service was asked, in the session in which it was."""
        if self._is_closed or flight.is_outdated or fresh_for_ms <= 0 or flight.session != self._trust.session:
            return
        if self._policy.coherence is Coherence.STRICT and not self._trust.is_hearing:
            return
        fresh_until_s = right_s + fresh_for_ms / 1000
        held = Held(
            value,
            version=version,
            session=flight.session,
            turn=self.shelf.turn,
            right_s=right_s,
            fresh_until_s=fresh_until_s,
            stale_until_s=fresh_until_s + self._policy.stale_ms / 1000,
        )
        self.shelf.keep(flight.key, held)

    def _release(self, key: str, token: int) -> None:
        """Give a lease back in the background; one that is not given back ends by itself."""
        if self._is_closed or len(self._errands) >= ERRANDS_MAX:
            return
        errand = asyncio.get_running_loop().create_task(self._service.release(self._policy.namespace, key, token))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)
