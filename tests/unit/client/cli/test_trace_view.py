"""A trace reads from top to bottom: every step stands below its cause, with its bar where it was in time."""

import io
from typing import Any

from furlong.client.cli.trace_view import BAR_WIDTH, listing, waterfall
from furlong.metrics.v1.metrics_service_pb2 import Span, Trace, TraceSummary
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console, RenderableType

ASKED, OTHER = "aa" * 16, "bb" * 16


def step(name: str, number: int, begins_us: int, took_us: int, *, trace_id: str = ASKED, **more: Any) -> Span:
    parent = more.pop("parent", 0)
    return Span(
        span_id=f"{number:016x}",
        parent_span_id=f"{parent:016x}" if parent else "",
        service="game",
        name=name,
        started_at=Timestamp(seconds=1_780_000_000, nanos=begins_us * 1_000),
        duration_us=took_us,
        trace_id=trace_id,
        **more,
    )


def drawn(what: RenderableType) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=160, highlight=False).print(what)
    return out.getvalue().splitlines()


def names(lines: list[str]) -> list[str]:
    """The steps with their indentation."""
    return [line.split("  game")[0].rstrip() for line in lines[3:]]


def test_steps_stand_below_their_causes() -> None:
    spans = [
        step("place", 1, 0, 1_000, parent=99),
        step("append", 2, 100, 800, parent=1),
        step("batch", 3, 200, 600, trace_id=OTHER, parent=77, via_span_id=f"{2:016x}"),
        step("sql commit", 4, 300, 500, trace_id=OTHER, parent=3),
        step("settle", 5, 900, 50, parent=1),
    ]
    lines = drawn(waterfall(Trace(trace_id=ASKED, spans=spans)))
    assert names(lines) == ["place", "  append", "    ⇢ batch", "      sql commit", "  settle"]
    assert ASKED in lines[0]
    assert "1.00 ms" in lines[0]


def test_bars_lie_where_the_steps_were_in_time() -> None:
    spans = [step("whole", 1, 0, 1_000), step("late half", 2, 500, 500, parent=1), step("brief", 3, 999, 0, parent=1)]
    lines = drawn(waterfall(Trace(trace_id=ASKED, spans=spans)))[3:]
    begins = lines[0].index("█")
    half = BAR_WIDTH // 2
    assert [(line.index("█") - begins, line.count("█")) for line in lines] == [
        (0, BAR_WIDTH),
        (half, half),
        (BAR_WIDTH - 1, 1),
    ]


def test_an_error_is_told_beside_its_step() -> None:
    spans = [step("commit", 1, 0, 10, error="the disk\x1b is full")]
    assert "commit  the disk? is full" in drawn(waterfall(Trace(trace_id=ASKED, spans=spans)))[3]


def test_steps_that_are_each_others_cause_are_told_once() -> None:
    spans = [step("one", 1, 0, 1, parent=2), step("two", 2, 0, 1, parent=1)]
    assert sorted(names(drawn(waterfall(Trace(trace_id=ASKED, spans=spans))))) == ["one", "two"]


def test_a_very_deep_trace_is_drawn() -> None:
    spans = [step(f"step {n}", n, n, 1, parent=n - 1) for n in range(1, 2_000)]
    assert len(drawn(waterfall(Trace(trace_id=ASKED, spans=spans)))) == 3 + len(spans)


def test_a_trace_without_steps_is_drawn() -> None:
    assert ASKED in drawn(waterfall(Trace(trace_id=ASKED)))[0]


def test_traces_are_listed_a_line_each() -> None:
    summary = TraceSummary(trace_id=ASKED, name="furlong.game.v1.X/Do", spans=3, duration_us=1_500)
    rows = [line.split() for line in drawn(listing([summary]))]
    assert rows[1][0] == ASKED
    assert rows[1][2:] == ["game.v1.X/Do", "3", "1.50", "ms"]
    assert "no trace is kept" in drawn(listing([]))[0]
