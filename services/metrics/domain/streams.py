"""Streams of cumulative points, turned into what came since the point before.

A stream is one metric with one set of attributes from one process. Its first point counts whole where the stream began
after we did; otherwise it only says where the counting stands, because what it counted happened before our window.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from services.metrics.domain.histogram import minus
from services.metrics.domain.point import Attributes, Count, Distribution, Point, Source, Temporality

IDLE_MS: Final = 600_000
"""A stream that has said nothing for this long may make way for a new one."""


class StreamsFull(Exception):
    """There is no room for another stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """Where a stream stands."""

    started_ns: int
    reading: Distribution | Count
    seen_ms: int


class Streams:
    """Remembers where at most `streams_max` streams stand. `since_ns` is when we began, Unix time."""

    def __init__(self, *, streams_max: int, since_ns: int) -> None:
        self._streams_max = streams_max
        self._since_ns = since_ns
        self._standing: OrderedDict[tuple[Source, str, Attributes], _Standing] = OrderedDict()

    def __len__(self) -> int:
        return len(self._standing)

    def advance(self, point: Point, reading: Distribution | Count, now_ms: int) -> Distribution | Count | None:
        """Give what came with `point`, None where that is nothing or cannot be told. Raises StreamsFull."""
        if point.temporality is Temporality.DELTA:
            return reading
        key = (point.source, point.metric, point.attributes)
        before = self._standing.get(key)
        if before is None:
            self._make_room(now_ms)
        self._standing[key] = _Standing(started_ns=point.started_ns, reading=reading, seen_ms=now_ms)
        self._standing.move_to_end(key)
        if before is None:
            return reading if point.started_ns >= self._since_ns else None
        if point.started_ns != before.started_ns:  # the process has begun to count anew
            return reading
        return _since(reading, before.reading)

    def _make_room(self, now_ms: int) -> None:
        if len(self._standing) < self._streams_max:
            return
        oldest = next(iter(self._standing))
        if now_ms - self._standing[oldest].seen_ms < IDLE_MS:
            raise StreamsFull
        del self._standing[oldest]


def _since(now: Distribution | Count, before: Distribution | Count) -> Distribution | Count | None:
    match now, before:
        case Count(), Count():
            return Count(amount=now.amount - before.amount) if now.amount >= before.amount else None
        case Distribution(), Distribution():
            histogram = minus(now.histogram, before.histogram)
            if histogram is None:
                return None
            # The longest is that of the whole life of the stream: it is news only when it has grown.
            grown = now.longest is not None and (before.longest is None or now.longest > before.longest)
            return Distribution(histogram=histogram, longest=now.longest if grown else None)
        case _:
            return None
