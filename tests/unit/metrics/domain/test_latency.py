"""Percentiles are close to the exact ones, whatever is measured and however the exporter cuts it."""

import math
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.domain.histogram import (
    CELL_MAX,
    CELL_MIN,
    Explicit,
    Exponential,
    Histogram,
    cell_of,
    cells,
    middle_s,
    minus,
    total,
    upper_s,
)
from services.metrics.domain.latency import Samples, latency_of

TIMES_S = st.lists(st.floats(min_value=2e-6, max_value=3_000), min_size=1, max_size=400)
BOUNDS = tuple(1e-6 * 1.05**n for n in range(460))


def exponential(times_s: list[float], scale: int) -> Exponential:
    """Count as OpenTelemetry defines it, bucket by bucket."""
    counts: dict[int, int] = {}
    for time_s in times_s:
        index = math.ceil(math.log2(time_s) * 2.0**scale) - 1
        counts[index] = counts.get(index, 0) + 1
    return Exponential(scale=scale, zeros=0, counts=counts)


def explicit(times_s: list[float], bounds: tuple[float, ...] = BOUNDS) -> Explicit:
    counts = [0] * (len(bounds) + 1)
    for time_s in times_s:
        counts[bisect_left(bounds, time_s)] += 1
    return Explicit(bounds=bounds, counts=tuple(counts))


def gathered(histogram: Histogram, longest_s: float | None = None) -> Samples:
    samples = Samples()
    samples.add(cells(histogram, 1, longest_s), errors=False, longest_s=longest_s)
    return samples


def exact_us(times_s: list[float], percent: int) -> float:
    return sorted(times_s)[-(-len(times_s) * percent // 100) - 1] * 1e6


def assert_close(times_s: list[float], slots: list[Samples]) -> None:
    latency = latency_of(slots)
    assert latency.count == len(times_s)
    for percent, told_us in ((50, latency.p50_us), (95, latency.p95_us), (99, latency.p99_us)):
        assert told_us == pytest.approx(exact_us(times_s, percent), rel=0.1, abs=1)
    assert latency.max_us == pytest.approx(max(times_s) * 1e6, rel=0.1, abs=1)


@settings(deadline=None)
@given(TIMES_S, st.integers(3, 10))
def test_percentiles_of_exponential_histograms_are_within_ten_per_cent(times_s: list[float], scale: int) -> None:
    assert_close(times_s, [gathered(exponential(times_s, scale))])


@settings(deadline=None)
@given(TIMES_S)
def test_percentiles_of_fine_explicit_histograms_are_within_ten_per_cent(times_s: list[float]) -> None:
    assert_close(times_s, [gathered(explicit(times_s), max(times_s))])


@settings(deadline=None)
@given(st.lists(TIMES_S, min_size=1, max_size=5))
def test_percentiles_of_several_slots_are_those_of_all_their_samples(slots: list[list[float]]) -> None:
    assert_close([time_s for slot in slots for time_s in slot], [gathered(exponential(slot, 6)) for slot in slots])


@settings(deadline=None)
@given(TIMES_S, TIMES_S, st.integers(3, 8), st.integers(0, 5))
def test_what_came_since_a_finer_histogram_is_told_exactly(
    before: list[float], since: list[float], scale: int, coarser: int
) -> None:
    came = minus(exponential(before + since, scale), exponential(before, scale + coarser))
    assert came == exponential(since, scale)


@settings(deadline=None)
@given(TIMES_S, TIMES_S)
def test_what_came_since_an_explicit_histogram_is_told_exactly(before: list[float], since: list[float]) -> None:
    assert minus(explicit(before + since), explicit(before)) == explicit(since)


@settings(deadline=None)
@given(st.integers(0, 3), TIMES_S)
def test_no_sample_of_a_coarse_histogram_is_lost(scale: int, times_s: list[float]) -> None:
    for histogram in (exponential(times_s, scale - 4), explicit(times_s, (0.005, 0.1, 2.5))):
        assert sum(count for _, count in cells(histogram, 1, None)) == len(times_s) == total(histogram)


@settings(deadline=None)
@given(st.floats(min_value=1e-9, max_value=1e6))
def test_a_time_lies_in_its_cell(time_s: float) -> None:
    cell = cell_of(time_s)
    assert CELL_MIN <= cell <= CELL_MAX
    if CELL_MIN < cell < CELL_MAX:
        assert upper_s(cell - 1) * 0.999_999 <= time_s <= upper_s(cell) * 1.000_001
        assert middle_s(cell) == pytest.approx(time_s, rel=0.046)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (Explicit(bounds=(1.0,), counts=(1, 1)), Explicit(bounds=(1.0,), counts=(2, 0))),
        (Explicit(bounds=(1.0,), counts=(1, 1)), Explicit(bounds=(2.0,), counts=(0, 0))),
        (Exponential(scale=3, zeros=0, counts={1: 1}), Exponential(scale=3, zeros=0, counts={1: 2})),
        (Exponential(scale=3, zeros=0, counts={1: 1}), Exponential(scale=3, zeros=1, counts={})),
        (Exponential(scale=4, zeros=0, counts={1: 1}), Exponential(scale=3, zeros=0, counts={})),
        (Exponential(scale=4, zeros=0, counts={1: 1}), Explicit(bounds=(), counts=(0,))),
    ],
    ids=["a bucket shrank", "other bounds", "a bucket shrank", "zeros shrank", "became finer", "another kind"],
)
def test_a_histogram_that_does_not_continue_another_tells_nothing(now: Histogram, before: Histogram) -> None:
    assert minus(now, before) is None


def test_times_in_other_units_are_read_in_seconds() -> None:
    samples = Samples()
    samples.add(cells(explicit([20.0, 20.0], (10.0, 19.0, 21.0)), 1e-3, 20.0), errors=True, longest_s=0.02)
    latency = latency_of([samples])
    assert latency.p50_us == pytest.approx(20_000, rel=0.1)
    assert (latency.count, latency.errors, latency.max_us) == (2, 2, 20_000)


def test_without_samples_everything_is_zero() -> None:
    latency = latency_of([])
    assert (latency.count, latency.p50_us, latency.p99_us, latency.max_us) == (0, 0, 0, 0)
