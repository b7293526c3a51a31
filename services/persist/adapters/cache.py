"""The cache behind the port `AnswerCache`: look-ups wait 50 ms at the most, and none is sent while it is in trouble.

        FAILURES_MAX failures in a row
    ASKED ─────────────────────────────▶ LEFT ALONE   no call is sent for anybody, so nobody waits for a dead cache;
      ▲                                     │         this side tries it every PROBE_S
      └─────────── it answers ──────────────┘

What it could not be told to forget is owed to it: that shelf is not asked until the debt is paid. Whoever finds the
cache again leaves it alone for GRACE_S more, in which others who could not reach it either pay what they owe.

What a caller sees of any failure is that the cache has nothing. Operators see it in the counter of look-ups, and in the
log when the cache is left alone, when it refuses, and when that is over.

Keys begin with the identity of the database and the form of the answers. So deployments that share a Redis, a database
that was made anew, and a release whose answers have other fields never meet each other's entries. A database that was
rolled back to an earlier day keeps its identity; flush the cache then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Final, TypeVar

import grpc
import structlog
from furlong.cache.v1.cache_service_pb2 import (
    DeleteRequest,
    Found,
    GetRequest,
    GetStatsRequest,
    InvalidateRequest,
    InvalidateResponse,
    Item,
    SetRequest,
)
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceStub
from furlong.client.breaker import Breaker, BreakerChange, BreakerSettings, BreakerState
from furlong.client.cache_refusals import Refusals
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider, get_meter

from services.chassis.freshness import freshness
from services.chassis.telemetry_names import FURLONG_CACHE_NAMESPACE, FURLONG_CACHE_OUTCOME
from services.persist import telemetry_names as names
from services.persist.domain.shelf import Shelf
from services.persist.ports import Recalled

DEADLINE_S: Final = 0.05
"""How long a call waits for the cache at the most; PostgreSQL has answered by then."""

FORGET_DEADLINE_S: Final = 0.25
"""How long a write that has been committed waits for the cache to forget: it is rare, and worth more patience."""

FAILURES_MAX: Final = 3
PROBE_S: Final = 0.5

GRACE_S: Final = 2 * PROBE_S
"""How long a cache that is back is not asked for answers; who finds it a probe later has paid its debts by then."""

VALUE_BYTES_MAX: Final = 128 * 1024
KEY_BYTES_MAX: Final = 512
"""What the cache takes; longer answers and keys are not kept."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class ServiceCache:
    """Entries of one database in the cache at the other end of `channel`, inside a running event loop.

    `form` tells answers apart that are encoded differently; a write has those of every form forgotten.
    The channel has a breaker of its own, which is too patient here: it does not blame a service for deadlines as short
    as this one.
    """

    def __init__(
        self, channel: grpc.aio.Channel, *, database: str, form: str, meter_provider: MeterProvider | None = None
    ) -> None:
        self._cache = CacheServiceStub(channel)
        self._database = database
        self._form = form
        # Only the prober sends while the breaker is not closed, and it keeps the time itself.
        self._breaker = Breaker(
            "cache", BreakerSettings(failures_max=FAILURES_MAX, open_ms=0), on_change=self._breaker_changed
        )
        self._prober: asyncio.Task[None] | None = None
        self._owed: dict[Shelf, int] = {}  # how often a shelf could not be told to forget
        self._trusted_from_s = 0.0
        self._refusals = Refusals("what persist asks")
        self._lookups = names.CACHE_LOOKUPS.counter(get_meter(__name__, meter_provider=meter_provider))

    async def recall(self, shelf: Shelf, key: str) -> Recalled | None:
        """Give an answer that was kept."""
        name = self._name(key)
        if name is None:
            return None
        if shelf in self._owed or monotonic() < self._trusted_from_s:
            self._count(shelf, names.LOOKUP_NO_ANSWER)
            return None
        request = GetRequest(namespace=shelf.namespace, key=name)
        response = await self._ask(lambda: self._cache.Get(request, timeout=DEADLINE_S))
        if response is None:
            self._count(shelf, names.LOOKUP_NO_ANSWER)
            return None
        if response.found.outcome != Found.HIT:
            self._count(shelf, names.LOOKUP_MISS)
            return None
        self._count(shelf, names.LOOKUP_HIT)
        found = response.found
        return Recalled(found.value, freshness(Found.Tier.Name(found.tier), found.age_ms))

    async def keep(self, shelf: Shelf, key: str, answer: bytes, load_ms: int) -> bool:
        """Keep an answer, if it fits; False where it was not even sent."""
        name = self._name(key)
        if name is None or len(answer) > VALUE_BYTES_MAX:
            return False
        if shelf in self._owed or self._breaker.state is not BreakerState.CLOSED:
            return False
        item = Item(key=name, value=answer, ttl_ms=shelf.ttl_ms, tags=(self._database,), load_ms=load_ms)
        request = SetRequest(namespace=shelf.namespace, item=item)
        await self._ask(lambda: self._cache.Set(request, timeout=DEADLINE_S))
        return True

    async def drop(self, shelf: Shelf, key: str) -> None:
        """Forget one answer."""
        name = self._name(key)
        if name is not None:
            request = DeleteRequest(namespace=shelf.namespace, key=name)
            if await self._ask(lambda: self._cache.Delete(request, timeout=DEADLINE_S)) is None:
                self._owe(shelf)

    async def forget(self, shelf: Shelf) -> None:
        """Forget every answer of a shelf."""
        if await self._ask(lambda: self._forget(shelf)) is None:
            self._owe(shelf)

    async def close(self) -> None:
        """Stop trying."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)

    def _name(self, key: str) -> str | None:
        """The entry's key; None where it is too long to be one."""
        name = f"{self._database}/{self._form}/{key}"
        return name if len(name.encode()) <= KEY_BYTES_MAX else None

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Send a call, unless the cache is left alone; None where no answer came."""
        return await self._send(call) if self._breaker.state is BreakerState.CLOSED else None

    async def _send(self, call: Callable[[], Awaitable[T]]) -> T | None:
        admission = self._breaker.admit()
        try:
            answer = await call()
        except grpc.aio.AioRpcError as error:
            admission.settle(error.code())
            self._refusals.note(error)
            return None
        except BaseException:
            admission.settle(None)  # a caller who went away says nothing about the cache
            raise
        admission.settle(grpc.StatusCode.OK)
        self._refusals.over()
        return answer

    def _breaker_changed(self, change: BreakerChange) -> None:
        if change.after is BreakerState.CLOSED:
            self._trusted_from_s = monotonic() + GRACE_S
            _log.info("cache_answers_again")
        elif change.before is BreakerState.CLOSED:
            _log.warning("cache_left_alone", failures=FAILURES_MAX, probe_s=PROBE_S)
            self._try_on()

    def _forget(self, shelf: Shelf) -> Awaitable[InvalidateResponse]:
        request = InvalidateRequest(namespace=shelf.namespace, tag=self._database)
        return self._cache.Invalidate(request, timeout=FORGET_DEADLINE_S)

    def _owe(self, shelf: Shelf) -> None:
        """Note what could not be forgotten, and see to it."""
        self._owed[shelf] = self._owed.get(shelf, 0) + 1
        self._try_on()

    def _try_on(self) -> None:
        if self._prober is None or self._prober.done():
            self._prober = asyncio.get_running_loop().create_task(self._probe(), name="cache probe")

    async def _probe(self) -> None:
        """Try the cache from time to time until it answers and is owed nothing. Nobody else would, so a defect does not
        end it."""
        while self._owed or self._breaker.state is not BreakerState.CLOSED:
            await asyncio.sleep(PROBE_S)
            try:
                await self._try()
            except Exception:
                _log.exception("cache_probe_failed")

    async def _try(self) -> None:
        if self._owed:
            await self._pay()
        else:
            await self._send(lambda: self._cache.GetStats(GetStatsRequest(), timeout=DEADLINE_S))

    async def _pay(self) -> None:
        """Have shelves forgotten that are owed, as long as the cache answers. What is owed anew meanwhile stays so."""
        for shelf, times in tuple(self._owed.items()):
            if await self._send(partial(self._forget, shelf)) is None:
                return
            if self._owed[shelf] == times:
                del self._owed[shelf]

    def _count(self, shelf: Shelf, outcome: str) -> None:
        self._lookups.add(1, {FURLONG_CACHE_NAMESPACE: shelf.namespace, FURLONG_CACHE_OUTCOME: outcome})
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute(FURLONG_CACHE_OUTCOME, outcome)
