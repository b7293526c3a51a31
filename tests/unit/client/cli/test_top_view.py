"""The board shows what there is, in words and units that people read."""

import io

import pytest
from furlong.client.cli.top_view import board, short, took
from furlong.metrics.v1.metrics_service_pb2 import (
    CacheFigures,
    Latency,
    MethodFigures,
    SlowCall,
    Snapshot,
    StatementFigures,
    TrackFigures,
)
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

BUSY = Latency(count=6_000, errors=2, p50_us=2_100, p95_us=4_250, p99_us=12_345, max_us=1_234_567)


def drawn(snapshot: Snapshot, slow: tuple[SlowCall, ...] = ()) -> str:
    snapshot.at.CopyFrom(Timestamp(seconds=1_780_000_000))
    out = io.StringIO()
    Console(file=out, width=160, highlight=False).print(board(snapshot, slow))
    return out.getvalue()


@pytest.mark.parametrize(
    ("duration_us", "words"),
    [
        (0, "0 us"),
        (999, "999 us"),
        (1_000, "1.00 ms"),
        (4_214, "4.21 ms"),
        (42_140, "42.1 ms"),
        (421_400, "421 ms"),
        (12_345_678, "12.3 s"),
        (3_600_000_000, "3,600 s"),
    ],
)
def test_a_duration_has_three_digits(duration_us: int, words: str) -> None:
    assert took(duration_us) == words


def test_a_method_is_named_without_what_all_have_in_common() -> None:
    assert short("furlong.game.v1.TicketService/PlaceTickets") == "game.v1.TicketService/PlaceTickets"
    assert short("sql\x1b[2J commit") == "sql?[2J commit"


def test_the_busiest_method_comes_first_with_its_rates_and_percentiles() -> None:
    quiet = MethodFigures(service="game", method="furlong.game.v1.RoundService/GetRound", latency=Latency(count=3))
    busy = MethodFigures(service="persist", method="furlong.persist.v1.X/Append", latency=BUSY)
    text = drawn(Snapshot(window_ms=60_000, methods=[quiet, busy]))
    assert text.index("persist.v1.X/Append") < text.index("game.v1.RoundService/GetRound")
    line = next(line for line in text.splitlines() if "Append" in line)
    assert line.split() == [
        "persist",
        "persist.v1.X/Append",
        "100",
        "2",
        "2.10",
        "ms",
        "4.25",
        "ms",
        "12.3",
        "ms",
        "1.23",
        "s",
    ]


def test_tracks_statements_cache_and_slow_calls_have_their_tables() -> None:
    text = drawn(
        Snapshot(
            window_ms=10_000,
            tracks=[TrackFigures(track="harbour-mile", tickets=90, refused=10, stake_minor=45_000, watchers=7)],
            statements=[StatementFigures(statement="commit", latency=BUSY)],
            cache=[CacheFigures(namespace="rounds", tier="l1", hits=9, misses=1)],
        ),
        (SlowCall(name="furlong.game.v1.X/Slow", service="game", duration_us=900_000, trace_id="ab" * 16),),
    )
    rows = [line.split() for line in text.splitlines()]
    assert ["harbour-mile", "10.0", "90", "10", "45,000", "7"] in rows
    assert ["rounds", "l1", "1.0", "9", "1", "90.0", "%", "━" * 18 + "─" * 2] in rows
    assert ["game.v1.X/Slow", "game", "900", "ms", "ab" * 16] in rows
    assert any(row[:2] == ["commit", "600"] for row in rows)


def test_a_board_without_figures_says_so() -> None:
    text = drawn(Snapshot(window_ms=1))
    assert "nothing has been reported yet" in text
    assert "calls/s" not in text


def test_what_had_no_room_is_told() -> None:
    text = drawn(Snapshot(window_ms=60_000, dropped=1_200, forward_dropped=3))
    assert "1,200 reports had no room" in text
    assert "3 reports were not passed on" in text
