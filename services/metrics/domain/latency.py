"""How long something took: samples gathered on the grid of `histogram.py`, and the percentiles read from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.metrics.domain.histogram import middle_s, upper_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long something took over a window, in microseconds. Without samples everything is 0."""

    count: int
    errors: int
    p50_us: int
    p95_us: int
    p99_us: int
    max_us: int


class Samples:
    """The samples of one slot. A cell takes room only where it holds some."""

    __slots__ = ("cells", "errors", "longest_s")

    def __init__(self) -> None:
        self.cells: dict[int, int] = {}
        self.errors = 0
        self.longest_s = 0.0

    def add(self, cells: Iterable[tuple[int, int]], *, errors: bool, longest_s: float | None) -> None:
        """Add counts by cell, all of them errors or none. Where the longest is not known, its cell's bound stands."""
        for cell, count in cells:
            self.cells[cell] = self.cells.get(cell, 0) + count
            self.errors += count if errors else 0
            self.longest_s = max(self.longest_s, upper_s(cell) if longest_s is None else longest_s)


def latency_of(slots: Iterable[Samples]) -> Latency:
    """Read the figures of several slots together."""
    merged: dict[int, int] = {}
    errors, longest_s = 0, 0.0
    for samples in slots:
        errors += samples.errors
        longest_s = max(longest_s, samples.longest_s)
        for cell, count in samples.cells.items():
            merged[cell] = merged.get(cell, 0) + count
    ordered = sorted(merged.items())
    count = sum(merged.values())
    p50_us, p95_us, p99_us = (_percentile_us(ordered, count, percent, longest_s) for percent in (50, 95, 99))
    return Latency(
        count=count, errors=errors, p50_us=p50_us, p95_us=p95_us, p99_us=p99_us, max_us=round(longest_s * 1e6)
    )


def _percentile_us(ordered: list[tuple[int, int]], count: int, percent: int, longest_s: float) -> int:
    """Read the smallest time that `percent` of 100 samples do not exceed."""
    rank = -(-count * percent // 100)
    for cell, samples in ordered:
        rank -= samples
        if rank <= 0:
            return round(min(middle_s(cell), longest_s) * 1e6)
    return 0
