"""Hot reads: what many ask for is looked up in the cache, and in the database where the cache has nothing.

    asked ──▶ a flight, shared by all who ask for the same meanwhile
                 └─▶ cache ──── has it ───────────────────────▶ answered
                       └── has nothing, in time or at all ──▶ database ──▶ answered
                                                                └─▶ kept behind the answer's back

1. The cache costs a call its short deadline at the most, and never its answer.
2. Nobody is given what was read before they asked: whoever comes while a flight is under way shares the next one.
3. An answer is kept only if the database still says the same once it is in the cache. So a writer who commits while it
   is on its way there is noticed here, and one who commits later finds it there and has it forgotten.
4. A flight that nobody waits for any more is given up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeAlias

import structlog
from furlong.client.deadline import set_inbound

from services.chassis.freshness import Freshness, note
from services.chassis.refusal import Refusal
from services.persist.domain.shelf import Shelf
from services.persist.ports import AnswerCache

ERRANDS_MAX: Final = 256
"""Answers on their way into the cache at once; what comes on top is not kept."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response as it goes over the wire, and whether it may be kept on the shelf that it was read for.

    One that was kept already has a freshness.
    """

    wire: bytes
    keep: bool
    freshness: Freshness | None = None


Load: TypeAlias = Callable[[], Awaitable[Answer]]
"""Reads from the database. It may be called more than once, and raises Refusal."""


@dataclass(slots=True, eq=False)
class _Flight:
    task: asyncio.Task[Answer]
    waiting: int = 0


class HotReads:
    """Reads through `cache`; without one straight from the database."""

    def __init__(self, cache: AnswerCache | None) -> None:
        self._cache = cache
        self._flights: dict[tuple[Shelf, str], _Flight] = {}
        self._errands: set[asyncio.Task[None]] = set()

    async def read(self, shelf: Shelf, key: str, load: Load) -> bytes:
        """Answer with what the shelf has under `key`, or with what `load` reads. Raises what `load` raises.

        Where it came from the cache, that is noted for the caller's call.
        """
        if self._cache is None:
            return (await load()).wire
        joined = self._flights.get((shelf, key))
        if joined is not None:
            await self._wait(shelf, key, joined)
        flight = self._flights.get((shelf, key)) or self._take_off(self._cache, shelf, key, load)
        await self._wait(shelf, key, flight)
        answer = flight.task.result()
        note(answer.freshness)
        return answer.wire

    async def forget(self, shelf: Shelf) -> None:
        """Have a shelf forgotten because what is on it has changed, or may have. Waits as long as the cache may take.

        A caller who goes away meanwhile does not end it.
        """
        if self._cache is not None:
            await asyncio.shield(self._errand(self._cache.forget(shelf)))

    async def close(self) -> None:
        """Give up all that is under way."""
        under_way = [*self._errands, *(flight.task for flight in self._flights.values())]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _take_off(self, cache: AnswerCache, shelf: Shelf, key: str, load: Load) -> _Flight:
        flight = _Flight(asyncio.create_task(self._fly(cache, shelf, key, load), name=f"read {shelf.namespace} {key}"))
        self._flights[shelf, key] = flight
        flight.task.add_done_callback(lambda _: self._leave(shelf, key, flight))
        return flight

    async def _fly(self, cache: AnswerCache, shelf: Shelf, key: str, load: Load) -> Answer:
        set_inbound(None)  # others wait for the answer too, with deadlines of their own
        known = await cache.recall(shelf, key)
        if known is not None:
            return Answer(wire=known.wire, keep=True, freshness=known.freshness)
        began_s = monotonic()
        answer = await load()
        if answer.keep and len(self._errands) < ERRANDS_MAX:
            load_ms = max(round((monotonic() - began_s) * 1_000), 1)
            self._errand(_keep(cache, shelf, key, answer, load_ms, load))
        return answer

    async def _wait(self, shelf: Shelf, key: str, flight: _Flight) -> None:
        """Wait until a flight has ended, however it ends."""
        flight.waiting += 1
        try:
            await asyncio.wait((flight.task,))
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.task.cancel()
                self._leave(shelf, key, flight)

    def _leave(self, shelf: Shelf, key: str, flight: _Flight) -> None:
        """Let nobody join a flight any more."""
        if self._flights.get((shelf, key)) is flight:
            del self._flights[shelf, key]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # whoever still waits is told; if nobody does, nobody misses it

    def _errand(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done that no caller's going away may end."""
        errand = asyncio.create_task(_apart(work))
        self._errands.add(errand)
        errand.add_done_callback(self._errand_done)
        return errand

    def _errand_done(self, errand: asyncio.Task[None]) -> None:
        self._errands.discard(errand)
        if not errand.cancelled() and (error := errand.exception()) is not None:
            _log.error("cache_errand_failed", exc_info=error)


async def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Work without the deadline of the call that it began in."""
    set_inbound(None)
    await work


async def _keep(cache: AnswerCache, shelf: Shelf, key: str, answer: Answer, load_ms: int, load: Load) -> None:
    """Keep an answer, and take back what has changed meanwhile."""
    if not await cache.keep(shelf, key, answer.wire, load_ms):
        return
    try:
        still = (await load()).wire
    except Refusal:
        still = None  # nobody knows, which is reason enough
    if still != answer.wire:
        await cache.drop(shelf, key)
