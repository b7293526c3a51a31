"""The slowest calls of the last ten minutes."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.metrics.domain.span import Span
from services.metrics.domain.window import WINDOW_MS_MAX, Window, first_slot

CALLS_MAX: Final = 100
"""The calls that are kept of each slot, and so the most that can be told exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCall:
    """One call: enough to show it, and to find its trace while that is kept."""

    trace_id: str
    span_id: str
    service: str
    name: str
    started_ns: int
    duration_us: int
    error: str


class SlowCalls:
    """Keeps the slowest calls of every slot. Times are milliseconds on a clock that does not go back."""

    def __init__(self) -> None:
        self._window: Window[_Slowest] = Window(_Slowest)

    def put(self, span: Span, now_ms: int) -> None:
        """Look at a span; only served calls count."""
        if span.is_call:
            self._window.at(now_ms).put(span)

    def slowest(self, limit: int, now_ms: int) -> Sequence[SlowCall]:
        """Give the slowest calls, the slowest first."""
        calls = [call for slot in self._window.since(first_slot(now_ms, WINDOW_MS_MAX)) for call in slot.calls()]
        return heapq.nlargest(limit, calls, key=lambda call: call.duration_us)


class _Slowest:
    """The slowest calls of one slot."""

    __slots__ = ("_calls", "_order")

    def __init__(self) -> None:
        self._order: list[tuple[int, str]] = []  # a heap: the shortest of them first
        self._calls: dict[tuple[int, str], SlowCall] = {}  # by what also orders them; a span sent twice is one

    def put(self, span: Span) -> None:
        place = (span.duration_us, span.trace_id + span.span_id)
        if place in self._calls or (len(self._order) >= CALLS_MAX and place < self._order[0]):
            return
        heapq.heappush(self._order, place)
        self._calls[place] = _call(span)
        if len(self._order) > CALLS_MAX:
            del self._calls[heapq.heappop(self._order)]

    def calls(self) -> Iterable[SlowCall]:
        return self._calls.values()


def _call(span: Span) -> SlowCall:
    return SlowCall(
        trace_id=span.trace_id,
        span_id=span.span_id,
        service=span.service,
        name=span.name,
        started_ns=span.started_ns,
        duration_us=span.duration_us,
        error=span.error,
    )
