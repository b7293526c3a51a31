"""Traces are kept as long as they fit, and found by all their names as long as they are kept."""

import random
import tracemalloc

import pytest

from services.metrics.domain.slow_calls import CALLS_MAX, SlowCalls
from services.metrics.domain.span import Link, Span
from services.metrics.domain.traces import SPANS_MAX, Traces
from services.metrics.domain.window import SLOT_MS, WINDOW_MS_MAX

ROOMY = 100_000_000


def span(
    trace: int,
    number: int = 1,
    *,
    parent: int = 0,
    start: int = 0,
    links: tuple[tuple[int, int], ...] = (),
    tickets: tuple[str, ...] = (),
    name: str = "step",
    duration_us: int = 1,
    is_call: bool = False,
) -> Span:
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_span_id=f"{parent:016x}" if parent else "",
        service="game",
        name=name,
        started_ns=start,
        duration_us=duration_us,
        error="",
        attributes={},
        links=tuple(Link(trace_id=f"{to:032x}", span_id=f"{step:016x}") for to, step in links),
        ticket_ids=tickets,
        is_call=is_call,
    )


def put_all(traces: Traces, *spans: Span) -> None:
    for each in spans:
        assert traces.put(each)


def steps(traces: Traces, trace: int) -> list[tuple[int, int]]:
    """A story as pairs of trace and span."""
    return [(int(step.span.trace_id, 16), int(step.span.span_id, 16)) for step in traces.story(f"{trace:032x}")]


def test_the_oldest_traces_make_way_with_their_tickets_and_links() -> None:
    traces = Traces(span(1, tickets=("t",)).size * 3)
    put_all(traces, *(span(n, tickets=(f"ticket {n}",), links=((n + 1, 1),)) for n in range(1, 100)))
    assert traces.bytes <= span(1, tickets=("t",)).size * 3
    assert traces.find("ticket 99") == f"{99:032x}"
    assert traces.find("ticket 1") is None
    assert traces.find(f"{1:032x}") is None
    assert traces.evicted == 99 - len(traces)
    assert steps(traces, 99) == [(98, 1), (99, 1)] or steps(traces, 99) == [(99, 1), (98, 1)]


def test_an_endless_trace_cannot_push_out_the_others() -> None:
    traces = Traces(ROOMY)
    put_all(traces, span(1))
    kept = sum(traces.put(span(2, n)) for n in range(1, SPANS_MAX + 100))
    assert kept == SPANS_MAX
    assert traces.find(f"{1:032x}") is not None


def test_a_span_that_is_sent_twice_is_kept_once() -> None:
    traces = Traces(ROOMY)
    put_all(traces, span(1, tickets=("t",), links=((2, 1),)))
    taken = traces.bytes
    put_all(traces, span(1, tickets=("t",), links=((2, 1),)))
    assert (traces.bytes, traces.newest(9)[0].spans) == (taken, 1)


def test_a_span_that_is_larger_than_all_room_is_refused() -> None:
    traces = Traces(span(1).size)
    assert traces.put(span(1))
    assert not traces.put(span(2, links=((1, 1),)))
    assert len(traces) == 1


def test_a_story_holds_what_worked_for_it_and_all_below_that() -> None:
    traces = Traces(ROOMY)
    put_all(
        traces,
        span(1, 1, start=1),
        span(1, 2, parent=1, start=2),
        span(2, 1, start=1),
        span(2, 2, parent=1, start=3, links=((1, 2), (3, 1))),
        span(2, 3, parent=2, start=4),
        span(2, 4, parent=1, start=5),
    )
    assert steps(traces, 1) == [(1, 1), (1, 2), (2, 2), (2, 3)]
    vias = [int(step.via_span_id or "0", 16) for step in traces.story(f"{1:032x}")]
    assert vias == [0, 0, 2, 0]


def test_spans_that_are_each_others_parents_are_told_once() -> None:
    traces = Traces(ROOMY)
    put_all(traces, span(1, 1), span(2, 1, parent=2, links=((1, 1),)), span(2, 2, parent=1, links=((1, 1),)))
    assert sorted(steps(traces, 1)) == [(1, 1), (2, 1), (2, 2)]


def test_the_newest_traces_come_first_under_the_name_of_their_root() -> None:
    traces = Traces(ROOMY)
    put_all(traces, span(1, name="first"), span(2, 2, parent=1, start=2), span(2, 1, parent=77, start=1, name="root"))
    assert [(each.root.name, each.spans) for each in traces.newest(5)] == [("root", 2), ("first", 1)]
    assert len(traces.newest(1)) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_under_churn_the_estimate_of_the_memory_is_not_too_low(seed: int) -> None:
    chance = random.Random(seed)
    bound = 3_000_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        traces = Traces(bound)
        for n in range(6_000):
            links = tuple((chance.randrange(1, n + 2), 1) for _ in range(chance.randrange(4)))
            tickets = tuple(f"01890000-0000-7000-8000-{n:08x}{m:04x}" for m in range(chance.randrange(4)))
            traces.put(span(chance.randrange(1, n + 2), n + 1, links=links, tickets=tickets, name="n" * (n % 90)))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert traces.bytes <= bound
    assert traces.evicted > 0
    assert after - before <= bound


def test_the_slowest_calls_of_ten_minutes_are_told_exactly() -> None:
    chance = random.Random(5)
    slow = SlowCalls()
    durations = []
    for n in range(3_000):
        duration_us = chance.randrange(1_000_000)
        durations.append(duration_us)
        slow.put(span(n + 1, duration_us=duration_us, is_call=True), now_ms=n * 100)
        slow.put(span(n + 1, duration_us=duration_us, is_call=True), now_ms=n * 100)  # sent again
        slow.put(span(n + 1, 2, duration_us=9_999_999), now_ms=n * 100)  # no call
    told = [call.duration_us for call in slow.slowest(CALLS_MAX, 300_000)]
    assert told == sorted(durations, reverse=True)[:CALLS_MAX]
    assert slow.slowest(CALLS_MAX, 300_000 + WINDOW_MS_MAX + SLOT_MS) == []
