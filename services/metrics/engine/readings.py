"""Which metric feeds which figure. Metrics that stand in no row are taken and not kept: nothing here shows them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias

from services.chassis import telemetry_names as names
from services.metrics.domain.board import HITS, MISSES, REFUSED, STAKE_MINOR, TICKETS, Board, BoardFull
from services.metrics.domain.histogram import cells, total
from services.metrics.domain.point import Count, Distribution, Level, Point, Source
from services.metrics.domain.streams import Streams, StreamsFull

SECONDS: Final[Mapping[str, float]] = {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""The units of time, as UCUM writes them; a duration in any other unit is not kept."""

MISS: Final = "miss"
ACCEPTED: Final = "ACCEPTED"

Attributes: TypeAlias = Mapping[str, str]
Row: TypeAlias = "Callable[[Readings, Point, Attributes, int], None]"


class Readings:
    """Brings points to the board."""

    def __init__(self, *, board: Board, streams: Streams) -> None:
        self._board = board
        self._streams = streams

    def take(self, point: Point, now_ms: int) -> bool:
        """Bring a point to its figure; False where there is no room for it."""
        row = ROWS.get(point.metric)
        if row is None:
            return True
        try:
            row(self, point, dict(point.attributes), now_ms)
        except (BoardFull, StreamsFull):
            return False
        return True

    def calls(self, point: Point, attributes: Attributes, now_ms: int) -> None:
        """Calls of a method."""
        method = attributes.get(names.RPC_METHOD)
        if method:
            self._add_durations(point, attributes, now_ms, partial(self._board.add_calls, point.source.service, method))

    def executions(self, point: Point, attributes: Attributes, now_ms: int) -> None:
        """Executions of a statement."""
        statement = attributes.get(names.DB_OPERATION_NAME)
        if statement:
            self._add_durations(point, attributes, now_ms, partial(self._board.add_executions, statement))

    def lookups(self, point: Point, attributes: Attributes, now_ms: int) -> None:
        """Look-ups in the cache."""
        namespace, tier = attributes.get(names.FURLONG_CACHE_NAMESPACE), attributes.get(names.FURLONG_CACHE_TIER)
        amount = self._amount(point, now_ms)
        if namespace and tier and amount:
            what = MISSES if attributes.get(names.FURLONG_CACHE_OUTCOME) == MISS else HITS
            self._board.add_lookups(namespace, tier, what, amount, now_ms)

    def tickets(self, point: Point, attributes: Attributes, now_ms: int) -> None:
        """Tickets of a track, by verdict."""
        track = attributes.get(names.FURLONG_TRACK)
        amount = self._amount(point, now_ms)
        if track and amount:
            what = TICKETS if attributes.get(names.FURLONG_VERDICT) == ACCEPTED else REFUSED
            self._board.add_sales(track, what, amount, now_ms)

    def stakes(self, point: Point, attributes: Attributes, now_ms: int) -> None:
        """Stakes of a track."""
        track = attributes.get(names.FURLONG_TRACK)
        amount = self._amount(point, now_ms)
        if track and amount:
            self._board.add_sales(track, STAKE_MINOR, amount, now_ms)

    def watchers(self, point: Point, attributes: Attributes, now_ms: int) -> None:
        """Watchers of a track at one process."""
        track = attributes.get(names.FURLONG_TRACK)
        if track and isinstance(point.reading, Level):
            self._board.set_watchers(track, _process(point.source), point.reading.amount, now_ms)

    def _add_durations(self, point: Point, attributes: Attributes, now_ms: int, add: Callable[..., None]) -> None:
        if not isinstance(point.reading, Distribution) or point.unit not in SECONDS:
            return
        came = self._streams.advance(point, point.reading, now_ms)
        if not isinstance(came, Distribution) or not total(came.histogram):
            return
        unit_s = SECONDS[point.unit]
        longest_s = None if came.longest is None else came.longest * unit_s
        counts = cells(came.histogram, unit_s, came.longest)
        add(counts, errors=names.ERROR_TYPE in attributes, longest_s=longest_s, now_ms=now_ms)

    def _amount(self, point: Point, now_ms: int) -> int:
        if not isinstance(point.reading, Count):
            return 0
        came = self._streams.advance(point, point.reading, now_ms)
        return came.amount if isinstance(came, Count) else 0


ROWS: Final[Mapping[str, Row]] = {
    names.RPC_SERVER_CALL_DURATION.name: Readings.calls,
    names.DB_CLIENT_OPERATION_DURATION.name: Readings.executions,
    names.CACHE_REQUESTS.name: Readings.lookups,
    names.TICKETS.name: Readings.tickets,
    names.STAKES.name: Readings.stakes,
    names.WATCHERS.name: Readings.watchers,
}


def _process(source: Source) -> str:
    return f"{source.service} {source.instance}"
