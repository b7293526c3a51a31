"""The observatory counts what does not fit, and tells the true length of its window."""

from services.chassis import telemetry_names as names
from services.metrics.domain.point import Count, Point, Source, Temporality
from services.metrics.domain.span import Span
from services.metrics.engine.observatory import SNAPSHOT_AGE_MS_MAX, Observatory
from services.metrics.ports import NoForward
from tests.clocks import ManualClock


def observatory(clock: ManualClock, *, series_max: int = 100, traces_bytes_max: int = 1_000_000) -> Observatory:
    return Observatory(series_max=series_max, traces_bytes_max=traces_bytes_max, forward=NoForward(), clock=clock)


def sold(tickets: int, *, track: str = "harbour-mile", verdict: str = "ACCEPTED", metric: str = "") -> Point:
    return Point(
        source=Source(service="persist", instance="one"),
        metric=metric or names.TICKETS.name,
        unit="{ticket}",
        attributes=((names.FURLONG_TRACK, track), (names.FURLONG_VERDICT, verdict)),
        temporality=Temporality.DELTA,
        started_ns=0,
        reading=Count(amount=tickets),
    )


def step(trace: int, number: int = 1) -> Span:
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_span_id="",
        service="game",
        name="step",
        started_ns=1,
        duration_us=1,
        error="",
        attributes={},
        links=(),
        ticket_ids=(),
        is_call=True,
    )


def test_a_window_is_as_long_as_the_service_has_run_at_most() -> None:
    clock = ManualClock(1_800_000_005_000)
    seen = observatory(clock)
    assert seen.snapshot(60_000).window_ms == 1
    clock.advance_ms(20_000)
    assert seen.snapshot(60_000).window_ms == 20_000
    clock.advance_ms(100_000)
    assert seen.snapshot(60_000).window_ms == 65_000  # from the beginning of a slot
    assert seen.snapshot(10_000).window_ms == 15_000


def test_what_happened_leaves_the_window_in_time() -> None:
    clock = ManualClock(1_800_000_000_000)
    seen = observatory(clock)
    seen.take_points([sold(3), sold(2, verdict="BETTING_CLOSED")])
    clock.advance_ms(60_000)
    seen.take_points([sold(4)])
    assert [(each.tickets, each.refused) for each in seen.snapshot(60_000).tracks] == [(7, 2)]
    clock.advance_ms(10_000)
    assert [(each.tickets, each.refused) for each in seen.snapshot(60_000).tracks] == [(4, 0)]
    assert [(each.tickets, each.refused) for each in seen.snapshot(600_000).tracks] == [(7, 2)]


def test_many_boards_cost_as_much_as_one() -> None:
    clock = ManualClock()
    seen = observatory(clock)
    first = seen.snapshot(60_000)
    seen.take_points([sold(1)])
    assert seen.snapshot(60_000) is first
    clock.advance_ms(SNAPSHOT_AGE_MS_MAX)
    assert [each.tickets for each in seen.snapshot(60_000).tracks] == [1]


def test_points_without_room_are_counted_as_dropped() -> None:
    seen = observatory(ManualClock(), series_max=10)
    assert seen.take_points([sold(1, track=f"track-{n}") for n in range(30)]) == 20
    snapshot = seen.snapshot(60_000)
    assert (len(snapshot.tracks), snapshot.dropped) == (10, 20)


def test_spans_that_make_way_are_told_apart_from_those_that_never_fitted() -> None:
    seen = observatory(ManualClock(), traces_bytes_max=step(1).size * 1_000)
    assert seen.take_spans([step(1, n) for n in range(1, 601)]) == 100
    assert seen.take_spans([step(n) for n in range(2, 602)]) == 0
    snapshot = seen.snapshot(60_000)
    assert (snapshot.dropped, snapshot.evicted) == (100, 500)
    assert seen.story(f"{1:032x}") is None


def test_a_metric_that_nothing_here_shows_is_neither_kept_nor_missed() -> None:
    seen = observatory(ManualClock(), series_max=10)
    assert seen.take_points([sold(1, metric=f"elses.{n}") for n in range(100)]) == 0
    assert seen.snapshot(60_000).dropped == 0
