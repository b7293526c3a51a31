"""Histograms as exporters send them, and how they become counts on our grid.

The grid has eight cells to an octave, cell i holding values from 2**(i/8) to 2**((i+1)/8) seconds, so cells are 9 %
apart. That is OpenTelemetry's exponential histogram of scale 3: finer ones fold into it exactly. What is coarser, or
has bounds of its own, is spread evenly over the cells that a bucket covers.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

GRID_SCALE: Final = 3
CELLS_PER_OCTAVE: Final = 1 << GRID_SCALE
CELL_MIN: Final = -20 * CELLS_PER_OCTAVE
"""The first cell, which also holds whatever is shorter: about a microsecond."""
CELL_MAX: Final = 12 * CELLS_PER_OCTAVE - 1
"""The last cell, which also holds whatever is longer: about an hour."""

SCALE_MIN: Final = -10
SCALE_MAX: Final = 20
"""The scales of an exponential histogram that OpenTelemetry's SDKs use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Buckets whose bounds grow by 2**(2**-scale): bucket i holds values in (base**i, base**(i+1)]."""

    scale: int
    zeros: int
    counts: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explicit:
    """Buckets between rising bounds: bucket i holds values in (bounds[i-1], bounds[i]], the last one all above."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


Histogram: TypeAlias = Exponential | Explicit


def total(histogram: Histogram) -> int:
    """Count the samples."""
    if isinstance(histogram, Explicit):
        return sum(histogram.counts)
    return histogram.zeros + sum(histogram.counts.values())


def minus(now: Histogram, before: Histogram) -> Histogram | None:
    """Give what came since `before`; None where `now` does not continue it."""
    match now, before:
        case Explicit(), Explicit() if now.bounds == before.bounds:
            counts = tuple(new - old for new, old in zip(now.counts, before.counts, strict=True))
            return None if min(counts) < 0 else Explicit(bounds=now.bounds, counts=counts)
        case Exponential(), Exponential() if now.scale <= before.scale:
            return _minus_exponential(now, before)
        case _:
            return None


def cells(histogram: Histogram, unit_s: float, longest: float | None) -> Iterator[tuple[int, int]]:
    """Give the counts by cell, each above 0. `unit_s` is the unit of its values, `longest` its longest, if known."""
    if isinstance(histogram, Explicit):
        return _cells_of_explicit(histogram, unit_s, longest)
    return _cells_of_exponential(histogram, unit_s)


def cell_of(seconds: float) -> int:
    """Give the cell that holds a time."""
    if seconds <= 0:
        return CELL_MIN
    return _clamped(math.ceil(math.log2(seconds) * CELLS_PER_OCTAVE) - 1)


def upper_s(cell: int) -> float:
    """Give the upper bound of a cell in seconds."""
    return float(2.0 ** ((cell + 1) / CELLS_PER_OCTAVE))


def middle_s(cell: int) -> float:
    """Give the middle of a cell, by ratio: at most 4.5 % from anything in it."""
    return float(2.0 ** ((cell + 0.5) / CELLS_PER_OCTAVE))


def _minus_exponential(now: Exponential, before: Exponential) -> Exponential | None:
    coarser = before.scale - now.scale
    counts = dict(now.counts)
    for index, count in before.counts.items():
        counts[index >> coarser] = counts.get(index >> coarser, 0) - count
    zeros = now.zeros - before.zeros
    if zeros < 0 or any(count < 0 for count in counts.values()):
        return None
    return Exponential(
        scale=now.scale, zeros=zeros, counts={index: count for index, count in counts.items() if count > 0}
    )


def _cells_of_exponential(histogram: Exponential, unit_s: float) -> Iterator[tuple[int, int]]:
    if histogram.zeros:
        yield CELL_MIN, histogram.zeros
    finer = histogram.scale - GRID_SCALE
    if unit_s == 1 and finer >= 0:
        for index, count in histogram.counts.items():
            yield _clamped(index >> finer), count
        return
    width = 2.0**-histogram.scale  # in octaves
    for index, count in histogram.counts.items():
        yield from _spread(_power(index * width) * unit_s, _power((index + 1) * width) * unit_s, count)


def _cells_of_explicit(histogram: Explicit, unit_s: float, longest: float | None) -> Iterator[tuple[int, int]]:
    if not histogram.bounds:
        last = longest
    else:
        last = histogram.bounds[-1] if longest is None else max(longest, histogram.bounds[-1])
    edges = (0.0, *histogram.bounds, last or 0.0)
    for n, count in enumerate(histogram.counts):
        if count:
            high = edges[n + 1] if longest is None else min(edges[n + 1], longest)
            low = min(edges[n], high)
            yield from _spread(low * unit_s, high * unit_s, count)


def _spread(low_s: float, high_s: float, count: int) -> Iterator[tuple[int, int]]:
    """Spread `count` samples evenly over the cells between two times."""
    cell, last = cell_of(low_s), cell_of(high_s)
    given = 0
    while cell < last:
        share = (upper_s(cell) - low_s) / (high_s - low_s)
        up_to_here = min(max(round(count * share), given), count)
        if up_to_here > given:
            yield cell, up_to_here - given
        given = up_to_here
        cell += 1
    if count > given:
        yield last, count - given


def _power(octaves: float) -> float:
    """Give 2 to the power of `octaves`, within what a time can be."""
    return float(2.0 ** min(max(octaves, -64.0), 64.0))


def _clamped(cell: int) -> int:
    return min(max(cell, CELL_MIN), CELL_MAX)
