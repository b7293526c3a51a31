"""The group-commit writer: what arrives while a commit is under way is the next batch.

    submit ──▶ lane's queue ──▶ begin (gate) ─▶ read ─▶ decide ─▶ write ─▶ commit ──▶ answers
                                     │            │       pure      │         │
                                     └─ nothing is durable: lost ───┘         └─ lost here: outcome unknown

1. A batch holds orders of one round and whole calls only, so a call is decided in one transaction.
2. A lane carries one batch at a time; a round always goes through the same lane, so its calls are decided in order.
3. A call that was cancelled or whose deadline has passed is dropped before it is sent, never after.
4. A lane outlives everything that the store can raise. It shows that it lives by its heartbeat, and the heartbeat does
   not depend on the database being there.
5. What was not sent to COMMIT is safe to send again; what was, is answered as unknown.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from furlong.common.v1.error_pb2 import Reason
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider, Observation, get_meter

from services.chassis.clock import Clock
from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal
from services.persist import telemetry_names as names
from services.persist.domain.decision import Decision, decide
from services.persist.domain.round import Totals
from services.persist.domain.ticket import Order
from services.persist.ports import BatchLost, BatchStore, BatchUnknown
from services.persist.sales import Sales

BATCH_ATTEMPTS_MAX: Final = 4
"""How often a batch is tried that lost an id to another writer, or its connection before anything was sent."""

OVERLOADED_RETRY_MS: Final = 250
"""When a caller may come back that met a full queue: about the time that a full queue takes to shrink by a tenth."""

HEARTBEAT_S: Final = 1.0
"""An idle lane beats this often."""

HEARTBEAT_AGE_S_MAX: Final = 30.0
"""A lane that has not beaten for this long is stuck; longer than any batch may take by the database's time-outs."""

PLACING_S: Final = 1.0
"""How long after its last batch a writer still counts as placing."""

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one call: a decision per order, the round's totals after the commit, and its currency."""

    decisions: Sequence[Decision]
    totals: Totals | None
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Call:
    """A call that waits for its answer. `deadline_s` is on the monotonic clock; `span` is the caller's, if traced."""

    round_id: int
    orders: Sequence[Order]
    deadline_s: float | None
    answer: asyncio.Future[Answer]
    span: trace.SpanContext | None


class TicketWriter:
    """Takes calls with orders and answers them when they are durable.

    `stores` gives one store per lane. `queue_max` bounds the tickets that wait in all lanes together, `batch_max` the
    tickets of a commit, unless one call alone has more.
    """

    def __init__(
        self,
        *,
        stores: Sequence[BatchStore],
        queue_max: int,
        batch_max: int,
        clock: Clock,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        assert stores, "a writer has at least one lane"
        self._queue_max = queue_max
        self._clock = clock
        self._waiting = 0
        meter = get_meter(__name__, meter_provider=meter_provider)
        sales = Sales(meter, clock)
        names.WRITER_WAITING.gauge(meter, lambda: [Observation(self._waiting)])
        self._lanes = [
            _Lane(store=store, batch_max=batch_max, clock=clock, on_taken=self._taken, sales=sales) for store in stores
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the lanes."""
        self._tasks = [asyncio.create_task(lane.run(), name=f"lane-{n}") for n, lane in enumerate(self._lanes)]

    async def close(self) -> None:
        """End the lanes. Callers that still wait are told what is known of their call."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes:
            lane.refuse_waiting()

    def alive(self) -> bool:
        """Tell whether every lane still beats, whatever the database does."""
        oldest_s = self._clock.monotonic_s() - HEARTBEAT_AGE_S_MAX
        return all(not task.done() for task in self._tasks) and all(lane.beat_s > oldest_s for lane in self._lanes)

    def is_placing(self) -> bool:
        """Tell whether tickets are being placed, or were a moment ago."""
        since_s = self._clock.monotonic_s() - PLACING_S
        return any(lane.carried_s > since_s for lane in self._lanes)

    async def submit(self, round_id: int, orders: Sequence[Order], deadline_s: float | None) -> Answer:
        """Have the orders decided and wait until that is durable.

        Raises Refusal: OVERLOADED, OUT_OF_TIME and DEPENDENCY_DOWN when nothing was done, OUTCOME_UNKNOWN otherwise.
        """
        if self._waiting + len(orders) > self._queue_max:
            raise Refusal(
                Reason.OVERLOADED,
                f"{self._waiting} tickets wait already, at most {self._queue_max} may",
                retry_in_ms=OVERLOADED_RETRY_MS,
            )
        self._waiting += len(orders)
        span = trace.get_current_span()
        call = _Call(
            round_id=round_id,
            orders=orders,
            deadline_s=deadline_s,
            answer=asyncio.get_running_loop().create_future(),
            span=span.get_span_context() if span.is_recording() else None,
        )
        self._lanes[round_id % len(self._lanes)].put(call)
        reach("placing.queued")
        return await call.answer

    def _taken(self, tickets: int) -> None:
        self._waiting -= tickets


class _Lane:
    """One batch at a time through one store."""

    def __init__(
        self, *, store: BatchStore, batch_max: int, clock: Clock, on_taken: Callable[[int], None], sales: Sales
    ) -> None:
        self.beat_s = clock.monotonic_s()
        self.carried_s = -math.inf
        self._store = store
        self._batch_max = batch_max
        self._clock = clock
        self._on_taken = on_taken
        self._sales = sales
        self._rounds: dict[int, deque[_Call]] = {}
        self._arrived = asyncio.Event()

    def put(self, call: _Call) -> None:
        """Queue a call; its round's calls stay in order."""
        self._rounds.setdefault(call.round_id, deque()).append(call)
        self._arrived.set()

    async def run(self) -> None:
        """Carry batches until cancelled."""
        while True:
            self.beat_s = self._clock.monotonic_s()
            try:
                if calls := self._take():
                    self.carried_s = self.beat_s
                    await self._carry(calls)
                else:
                    await self._wait()
            except Exception:
                # A defect of ours outside of any batch. The lane must live on: without it everything hangs.
                _log.exception("lane_failed")
                await self._store.abandon()

    def refuse_waiting(self) -> None:
        """Answer the calls that were never taken: nothing was done."""
        for calls in self._rounds.values():
            _fail(calls, Refusal(Reason.DRAINING, "the server is going away", retry_in_ms=OVERLOADED_RETRY_MS))
        self._rounds.clear()

    async def _wait(self) -> None:
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), HEARTBEAT_S)
        except TimeoutError:
            return  # only to beat

    def _take(self) -> list[_Call]:
        """The next batch: calls of the round that has waited longest, whole, up to the bound."""
        now_s = self._clock.monotonic_s()
        while self._rounds:
            round_id, queue = next(iter(self._rounds.items()))
            del self._rounds[round_id]
            calls: list[_Call] = []
            tickets = 0
            while queue and (not calls or tickets + len(queue[0].orders) <= self._batch_max):
                call = queue.popleft()
                self._on_taken(len(call.orders))
                if _worth_sending(call, now_s):
                    calls.append(call)
                    tickets += len(call.orders)
            if queue:
                self._rounds[round_id] = queue  # to the end: the other rounds of the lane come first now
            if calls:
                return calls
        return []

    async def _carry(self, calls: Sequence[_Call]) -> None:
        """Bring calls to their answers, whatever happens."""
        try:
            await self._carry_together(calls)
        except BatchUnknown as unknown:
            _log.warning("batch_outcome_unknown", calls=len(calls), cause=str(unknown))
            _fail(calls, Refusal(Reason.OUTCOME_UNKNOWN, "the commit was sent and its answer was lost"))
        except BatchLost as lost:
            _log.warning("batch_lost", calls=len(calls), cause=str(lost))
            _fail(calls, Refusal(Reason.DEPENDENCY_DOWN, "the database does not answer; nothing was done"))
        except asyncio.CancelledError:
            _fail(calls, Refusal(Reason.OUTCOME_UNKNOWN, "the server went away while it was deciding"))
            raise
        except Exception as defect:
            await self._store.abandon()
            await self._carry_apart(calls, defect)

    async def _carry_apart(self, calls: Sequence[_Call], defect: Exception) -> None:
        """Halve a batch that failed for what is in it, so that one bad call fails alone."""
        if len(calls) == 1:
            _fail(calls, defect)
            return
        middle = len(calls) // 2
        await self._carry(calls[:middle])
        await self._carry(calls[middle:])

    async def _carry_together(self, calls: Sequence[_Call]) -> None:
        """One batch, from the gate to the answers; tried again while nothing of it can be durable."""
        orders = [order for call in calls for order in call.orders]
        callers = [call.span for call in calls if call.span is not None]
        for attempt in range(1, BATCH_ATTEMPTS_MAX + 1):
            with _batch_span(callers, len(orders)):
                try:
                    answer = await self._transact(calls[0].round_id, orders)
                    break
                except BatchLost as lost:
                    if not lost.retry or attempt == BATCH_ATTEMPTS_MAX:
                        raise
        start = 0
        for call in calls:
            end = start + len(call.orders)
            if not call.answer.done():
                call.answer.set_result(
                    Answer(decisions=answer.decisions[start:end], totals=answer.totals, currency=answer.currency)
                )
            start = end

    async def _transact(self, round_id: int, orders: Sequence[Order]) -> Answer:
        """Gate, read, decide, write: the whole of placing."""
        batch = await self._store.begin(round_id)
        reach("placing.gate_passed")
        facts = await batch.read(orders)
        reach("placing.read")
        judged = decide(orders, facts)
        reach("placing.decided")
        totals = await batch.write(facts, judged)
        reach("placing.written")
        await batch.commit()
        reach("placing.committed")
        if facts.round is not None:
            self._sales.count(facts.round.track, judged, totals)
        return Answer(
            decisions=judged.decisions,
            totals=totals if facts.round else None,
            currency=facts.round.currency if facts.round else "",
        )


def _worth_sending(call: _Call, now_s: float) -> bool:
    """Tell whether anybody still waits for the answer; one who came too late is told so."""
    if call.answer.done():
        return False
    if call.deadline_s is not None and now_s >= call.deadline_s:
        call.answer.set_exception(Refusal(Reason.OUT_OF_TIME, "the deadline ended before the ticket was sent"))
        return False
    return True


def _fail(calls: Sequence[_Call] | deque[_Call], error: Exception) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_exception(error)


@contextmanager
def _batch_span(callers: Sequence[trace.SpanContext], tickets: int) -> Iterator[None]:
    """A span of the batch: below the first caller that is traced, linked to all of them; none where nobody is."""
    if not callers:
        yield
        return
    parent = trace.set_span_in_context(trace.NonRecordingSpan(callers[0]))
    links = [trace.Link(caller) for caller in callers]
    with _tracer.start_as_current_span(names.SPAN_BATCH, context=parent, links=links) as span:
        span.set_attribute(names.FURLONG_TICKETS, tickets)
        yield
