"""A snapshot: the figures of one window."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.metrics.domain.latency import Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFigures:
    """One gRPC method at one service."""

    service: str
    method: str
    latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFigures:
    """One SQL statement."""

    statement: str
    latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    """One tier of the cache in one namespace."""

    namespace: str
    tier: str
    hits: int
    misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFigures:
    """One track; `watchers` are those of now, over all replicas."""

    track: str
    tickets: int
    refused: int
    stake_minor: int
    watchers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The figures of the window that ends at `at_ms`, Unix time; each list in the order of its names."""

    at_ms: int
    window_ms: int
    methods: Sequence[MethodFigures]
    statements: Sequence[StatementFigures]
    cache: Sequence[CacheFigures]
    tracks: Sequence[TrackFigures]
    dropped: int
    evicted: int
    forward_dropped: int
