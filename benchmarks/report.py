"""What a benchmark says: a table for people, then one line of JSON.

A figure is measured several times. The table shows the median and how far the rounds lay apart; the JSON line, always
the last one, holds the medians alone:

    {"benchmark": "<name>", "figures": {"<key>": number, ...}}
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

STARTED_S = time.monotonic()
HEADINGS = ("median", "lowest", "highest", "rounds")
NUMBER_WIDTH = 11
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One quantity, measured `rounds` times (at least once)."""

    median: float
    lowest: float
    highest: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of some measurements. Raises `ValueError` when there are none."""
        if not values:
            raise ValueError("a quantity that was never measured has no spread")
        return cls(
            median=float(statistics.median(values)),
            lowest=float(min(values)),
            highest=float(max(values)),
            rounds=len(values),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    `key` is its name in the JSON line; a figure without one is for people only. `spread` None means that it could not
    be measured: the table says so with the `note`, which gives the reason, and the JSON line leaves the key out.
    """

    title: str
    spread: Spread | None
    key: str = ""
    unit: str = ""
    note: str = ""


def ratios(ours: Sequence[float], limit: Sequence[float]) -> list[float]:
    """Each measurement of ours over the limit that was measured beside it, so that a slow minute of the machine
    falls on both."""
    return [mine / bare for mine, bare in zip(ours, limit, strict=True)]


def p99(values: Sequence[float]) -> float:
    """The smallest value that 99 of 100 do not exceed. Raises `ValueError` when there are none."""
    if not values:
        raise ValueError("a quantity that was never measured has no percentile")
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def table(benchmark: str, figures: Sequence[Figure]) -> str:
    """The table for people, one figure a line, without a newline at its end."""
    names = [f"{figure.title} [{figure.unit}]" if figure.unit else figure.title for figure in figures]
    width = max(len(name) for name in [benchmark, *names])
    lines = [benchmark.ljust(width) + "".join(heading.rjust(NUMBER_WIDTH) for heading in HEADINGS)]
    lines.append("-" * len(lines[0]))
    for name, figure in zip(names, figures, strict=True):
        lines.append(f"{name.ljust(width)}{_cells(figure.spread)}  {figure.note}".rstrip())
    return "\n".join(lines)


def last_line(benchmark: str, figures: Sequence[Figure]) -> str:
    """The line for machines: the median of every figure that has a key and was measured."""
    medians = {
        figure.key: round(figure.spread.median, 4) for figure in figures if figure.key and figure.spread is not None
    }
    return json.dumps({"benchmark": benchmark, "figures": medians})


def progress(words: str) -> None:
    """Tell a waiting person what is going on, on standard error, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED_S:6.1f} s] {words}", file=sys.stderr, flush=True)


def _cells(spread: Spread | None) -> str:
    if spread is None:
        return NOT_MEASURED.rjust(NUMBER_WIDTH * len(HEADINGS))
    numbers = [_number(value) for value in (spread.median, spread.lowest, spread.highest)]
    return "".join(cell.rjust(NUMBER_WIDTH) for cell in [*numbers, str(spread.rounds)])


def _number(value: float) -> str:
    """As many decimals as a person can use: none from 100 on, one from 10 on, three below."""
    if value == int(value):
        return f"{int(value):,}"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{decimals}f}"
