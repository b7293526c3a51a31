"""The board: every series there is, and the figures that are read from them.

A series is what happens to one method, statement, tier of the cache in a namespace, or track. All kinds share one
bound: where it is reached, series without news for ten minutes make way; where there is none, a new one is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from services.metrics.domain.latency import Samples, latency_of
from services.metrics.domain.levels import Levels
from services.metrics.domain.snapshot import CacheFigures, MethodFigures, StatementFigures, TrackFigures
from services.metrics.domain.window import Window

HITS: Final = "hits"
MISSES: Final = "misses"
TICKETS: Final = "tickets"
REFUSED: Final = "refused"
STAKE_MINOR: Final = "stake_minor"

Cells: TypeAlias = Iterable[tuple[int, int]]
"""Samples by cell of the grid."""


class BoardFull(Exception):
    """There is no room for another series."""


class _Series(Protocol):
    def is_idle(self, now_ms: int) -> bool: ...


K = TypeVar("K")
S = TypeVar("S", bound=_Series)


class _Family(Generic[K, S]):
    """The series of one kind, by what they are about."""

    def __init__(self, make: Callable[[], S]) -> None:
        self._make = make
        self.series: dict[K, S] = {}

    def get(self, key: K, make_room: Callable[[], None]) -> S:
        """Give a series, making it if it is new."""
        known = self.series.get(key)
        if known is None:
            make_room()
            known = self.series[key] = self._make()
        return known

    def forget_idle(self, now_ms: int) -> None:
        """Forget the series without news."""
        self.series = {key: each for key, each in self.series.items() if not each.is_idle(now_ms)}


def _samples() -> Window[Samples]:
    return Window(Samples)


def _counts() -> Window[Counter[str]]:
    return Window(Counter)


class Board:
    """At most `series_max` series. Times are milliseconds on a clock that does not go back.

    Whatever is added raises BoardFull where it would need one series too many.
    """

    def __init__(self, series_max: int) -> None:
        self._series_max = series_max
        self._methods: _Family[tuple[str, str], Window[Samples]] = _Family(_samples)
        self._statements: _Family[str, Window[Samples]] = _Family(_samples)
        self._cache: _Family[tuple[str, str], Window[Counter[str]]] = _Family(_counts)
        self._tracks: _Family[str, Window[Counter[str]]] = _Family(_counts)
        self._watchers: _Family[str, Levels] = _Family(Levels)

    def __len__(self) -> int:
        return (
            len(self._methods.series)
            + len(self._statements.series)
            + len(self._cache.series)
            + len(self._tracks.series)
            + len(self._watchers.series)
        )

    def add_calls(
        self, service: str, method: str, cells: Cells, *, errors: bool, longest_s: float | None, now_ms: int
    ) -> None:
        """Add calls of a method by cell, all of them errors or none."""
        series = self._methods.get((service, method), lambda: self._make_room(now_ms))
        series.at(now_ms).add(cells, errors=errors, longest_s=longest_s)

    def add_executions(
        self, statement: str, cells: Cells, *, errors: bool, longest_s: float | None, now_ms: int
    ) -> None:
        """Add executions of a statement by cell, all of them errors or none."""
        series = self._statements.get(statement, lambda: self._make_room(now_ms))
        series.at(now_ms).add(cells, errors=errors, longest_s=longest_s)

    def add_lookups(self, namespace: str, tier: str, what: str, amount: int, now_ms: int) -> None:
        """Add HITS or MISSES of a tier of the cache."""
        self._cache.get((namespace, tier), lambda: self._make_room(now_ms)).at(now_ms)[what] += amount

    def add_sales(self, track: str, what: str, amount: int, now_ms: int) -> None:
        """Add TICKETS, REFUSED or STAKE_MINOR of a track."""
        self._tracks.get(track, lambda: self._make_room(now_ms)).at(now_ms)[what] += amount

    def set_watchers(self, track: str, instance: str, amount: int, now_ms: int) -> None:
        """Keep how many watch a track at one process."""
        if not self._watchers.get(track, lambda: self._make_room(now_ms)).set(instance, amount, now_ms):
            raise BoardFull

    def methods(self, first: int) -> Sequence[MethodFigures]:
        """Read the methods from slot `first` on, by service and name; those without calls are left out."""
        figures = (
            MethodFigures(service=service, method=method, latency=latency_of(series.since(first)))
            for (service, method), series in sorted(self._methods.series.items(), key=_by_key)
        )
        return [each for each in figures if each.latency.count]

    def statements(self, first: int) -> Sequence[StatementFigures]:
        """Read the statements from slot `first` on, by name; those that did not run are left out."""
        figures = (
            StatementFigures(statement=statement, latency=latency_of(series.since(first)))
            for statement, series in sorted(self._statements.series.items(), key=_by_key)
        )
        return [each for each in figures if each.latency.count]

    def cache(self, first: int) -> Sequence[CacheFigures]:
        """Read the cache from slot `first` on, by namespace and tier; tiers that nobody asked are left out."""
        figures = []
        for (namespace, tier), series in sorted(self._cache.series.items(), key=_by_key):
            counts = _sum(series.since(first))
            if counts:
                figures.append(CacheFigures(namespace=namespace, tier=tier, hits=counts[HITS], misses=counts[MISSES]))
        return figures

    def tracks(self, first: int, now_ms: int) -> Sequence[TrackFigures]:
        """Read the tracks from slot `first` on, by name, with who watches now."""
        return [self._track(track, first, now_ms) for track in sorted({*self._tracks.series, *self._watchers.series})]

    def _track(self, track: str, first: int, now_ms: int) -> TrackFigures:
        sales, watchers = self._tracks.series.get(track), self._watchers.series.get(track)
        counts = _sum(sales.since(first)) if sales else Counter[str]()
        return TrackFigures(
            track=track,
            tickets=counts[TICKETS],
            refused=counts[REFUSED],
            stake_minor=counts[STAKE_MINOR],
            watchers=watchers.total(now_ms) if watchers else 0,
        )

    def _make_room(self, now_ms: int) -> None:
        if len(self) < self._series_max:
            return
        self._methods.forget_idle(now_ms)
        self._statements.forget_idle(now_ms)
        self._cache.forget_idle(now_ms)
        self._tracks.forget_idle(now_ms)
        self._watchers.forget_idle(now_ms)
        if len(self) >= self._series_max:
            raise BoardFull


def _by_key(item: tuple[K, object]) -> K:
    return item[0]


def _sum(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total
