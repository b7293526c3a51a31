"""Metric points as they arrive: who sent them, what they measure, and what they say."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from services.metrics.domain.histogram import Histogram

Attributes: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values of a point, sorted by name, so that equal ones are equal."""


class Temporality(Enum):
    """What the numbers of a point count from."""

    DELTA = "from the point before"
    CUMULATIVE = "from the start of the stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who sends: a service, and which of its processes."""

    service: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How values were distributed. `longest` is the largest one, where the exporter tells."""

    histogram: Histogram
    longest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How much came; never less than 0."""

    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How much there is."""

    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point. `unit` is the metric's, as UCUM writes it; `started_ns` is when the counting began, Unix time.

    A Level has no temporality; the one given means nothing.
    """

    source: Source
    metric: str
    unit: str
    attributes: Attributes
    temporality: Temporality
    started_ns: int
    reading: Distribution | Count | Level
