"""The observatory: takes spans and points as they come, and tells what they show.

Nothing in it waits: taking is a matter of memory, and whoever asks is answered from memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.chassis.clock import Clock
from services.metrics.domain.board import Board
from services.metrics.domain.point import Point
from services.metrics.domain.slow_calls import SlowCall, SlowCalls
from services.metrics.domain.snapshot import Snapshot
from services.metrics.domain.span import Span
from services.metrics.domain.streams import Streams
from services.metrics.domain.traces import Step, Summary, Traces
from services.metrics.domain.window import SLOT_MS, first_slot
from services.metrics.engine.readings import Readings
from services.metrics.ports import Forward

SNAPSHOT_AGE_MS_MAX: Final = 250
"""How old a snapshot may be that is told again, so that a hundred boards cost as much as one."""

STREAMS_PER_SERIES: Final = 8
"""Cumulative streams that may feed one series, on average: replicas, and outcomes that are counted apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of one trace."""

    trace_id: str
    steps: Sequence[Step]


class Observatory:
    """At most `series_max` series and `traces_bytes_max` bytes of spans; what does not fit is counted as dropped."""

    def __init__(self, *, series_max: int, traces_bytes_max: int, forward: Forward, clock: Clock) -> None:
        self._clock = clock
        self._forward = forward
        self._board = Board(series_max)
        self._traces = Traces(traces_bytes_max)
        self._slow_calls = SlowCalls()
        streams = Streams(streams_max=STREAMS_PER_SERIES * series_max, since_ns=clock.now_ms() * 1_000_000)
        self._readings = Readings(board=self._board, streams=streams)
        self._since_ms = self._now_ms()
        self._dropped = 0
        self._latest: dict[int, tuple[int, Snapshot]] = {}  # by first slot of the window

    def take_spans(self, spans: Sequence[Span]) -> int:
        """Keep spans; tells how many had no room."""
        now_ms = self._now_ms()
        dropped = 0
        for span in spans:
            self._slow_calls.put(span, now_ms)
            dropped += not self._traces.put(span)
        self._dropped += dropped
        return dropped

    def take_points(self, points: Sequence[Point]) -> int:
        """Keep points; tells how many had no room."""
        now_ms = self._now_ms()
        dropped = sum(not self._readings.take(point, now_ms) for point in points)
        self._dropped += dropped
        return dropped

    def snapshot(self, window_ms: int) -> Snapshot:
        """Read the figures of a window that is at least `window_ms` long, where we have run for so long."""
        now_ms = self._now_ms()
        first = first_slot(now_ms, window_ms)
        made_ms, known = self._latest.get(first, (0, None))
        if known is not None and now_ms - made_ms < SNAPSHOT_AGE_MS_MAX:
            return known
        snapshot = self._read(first, now_ms)
        self._latest = {slot: (at_ms, each) for slot, (at_ms, each) in self._latest.items() if _fresh(at_ms, now_ms)}
        self._latest[first] = (now_ms, snapshot)
        return snapshot

    def slow_calls(self, limit: int) -> Sequence[SlowCall]:
        """Give the slowest calls of the last ten minutes, the slowest first."""
        return self._slow_calls.slowest(limit, self._now_ms())

    def story(self, trace_or_ticket_id: str) -> Story | None:
        """Tell a trace by its id or that of a ticket; None where none is kept."""
        trace_id = self._traces.find(trace_or_ticket_id)
        return None if trace_id is None else Story(trace_id=trace_id, steps=self._traces.story(trace_id))

    def newest_traces(self, limit: int) -> Sequence[Summary]:
        """Give the traces that came last, the newest first."""
        return self._traces.newest(limit)

    def _read(self, first: int, now_ms: int) -> Snapshot:
        return Snapshot(
            at_ms=self._clock.now_ms(),
            window_ms=max(now_ms - max(first * SLOT_MS, self._since_ms), 1),
            methods=self._board.methods(first),
            statements=self._board.statements(first),
            cache=self._board.cache(first),
            tracks=self._board.tracks(first, now_ms),
            dropped=self._dropped,
            evicted=self._traces.evicted,
            forward_dropped=self._forward.dropped,
        )

    def _now_ms(self) -> int:
        return int(self._clock.monotonic_s() * 1_000)


def _fresh(at_ms: int, now_ms: int) -> bool:
    return now_ms - at_ms < SNAPSHOT_AGE_MS_MAX
