"""Cumulative streams become what came since the point before."""

import pytest

from services.metrics.domain.histogram import Explicit
from services.metrics.domain.point import Count, Distribution, Point, Source, Temporality
from services.metrics.domain.streams import IDLE_MS, Streams, StreamsFull

BEGAN_NS = 1_000


def point(amount: int, *, started_ns: int = BEGAN_NS, instance: str = "one", delta: bool = False) -> Point:
    return Point(
        source=Source(service="game", instance=instance),
        metric="furlong.tickets",
        unit="{ticket}",
        attributes=(("furlong.track", "harbour-mile"),),
        temporality=Temporality.DELTA if delta else Temporality.CUMULATIVE,
        started_ns=started_ns,
        reading=Count(amount=amount),
    )


def came(streams: Streams, sent: Point, now_ms: int = 0) -> int | None:
    assert isinstance(sent.reading, Count)
    reading = streams.advance(sent, sent.reading, now_ms)
    assert not isinstance(reading, Distribution)
    return None if reading is None else reading.amount


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([point(5), point(8)], [5, 3]),
        ([point(5, started_ns=BEGAN_NS - 1), point(8, started_ns=BEGAN_NS - 1)], [None, 3]),
        ([point(5), point(5)], [5, 0]),
        ([point(5), point(3)], [5, None]),
        ([point(5), point(3, started_ns=BEGAN_NS + 9)], [5, 3]),
        ([point(5), point(8, instance="two")], [5, 8]),
        ([point(5, delta=True), point(5, delta=True)], [5, 5]),
    ],
    ids=["grows", "began before us", "stands still", "goes back", "begins anew", "another process", "delta"],
)
def test_a_stream_tells_what_came(sent: list[Point], expected: list[int | None]) -> None:
    streams = Streams(streams_max=10, since_ns=BEGAN_NS)
    assert [came(streams, each) for each in sent] == expected


def test_the_longest_of_a_whole_life_is_news_only_when_it_grows() -> None:
    streams = Streams(streams_max=10, since_ns=BEGAN_NS)
    longest = []
    for n, each in enumerate((3.0, 3.0, 4.0), start=1):
        reading = Distribution(histogram=Explicit(bounds=(1.0,), counts=(n, 0)), longest=each)
        told = streams.advance(point(0), reading, 0)
        assert isinstance(told, Distribution)
        longest.append(told.longest)
    assert longest == [3.0, None, 4.0]


def test_a_stream_too_many_is_refused_until_another_has_fallen_silent() -> None:
    streams = Streams(streams_max=2, since_ns=BEGAN_NS)
    for n in range(2):
        came(streams, point(1, instance=str(n)))
    with pytest.raises(StreamsFull):
        came(streams, point(1, instance="late"), IDLE_MS - 1)
    assert came(streams, point(1, instance="late"), IDLE_MS) == 1
    assert len(streams) == 2
