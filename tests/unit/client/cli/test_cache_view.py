import pytest
from furlong.cache.v1.cache_service_pb2 import Canary, EntrySize, Found, GetStatsResponse, NamespaceStats
from furlong.client.cli.cache_view import board, entry, size, span
from rich.console import Console, RenderableType

MIB = 1024 * 1024


def shown(drawing: RenderableType) -> str:
    console = Console(width=150, record=True, highlight=False)
    with console.capture() as capture:
        console.print(drawing)
    return capture.get()


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.00 KiB"), (12_595, "12.3 KiB"), (118 * 1_024, "118 KiB"),
     (MIB - 1, "1,024 KiB"), (1_258_291, "1.20 MiB"), (3 * 1_024 * MIB, "3.00 GiB")],
)  # fmt: skip
def test_bytes_are_written_with_their_unit(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 ms"), (0.42, "0.42 ms"), (9.87, "9.9 ms"), (870, "870 ms"), (12_500, "12.5 s"), (59_900, "59.9 s"),
     (252_000, "4 min 12 s"), (12_000_000, "3 h 20 min")],
)  # fmt: skip
def test_times_are_written_with_their_two_largest_units(ms: float, words: str) -> None:
    assert span(ms) == words


def stats(**more: object) -> GetStatsResponse:
    rounds = NamespaceStats(
        namespace="rounds",
        hits_l1=900,
        hits_l2=50,
        misses=50,
        sets=50,
        entries=40,
        bytes=MIB,
        bytes_max=64 * MIB,
        leases=49,
        waits=7,
        fills_refused=3,
        saved_ms=95_000,
        evictions=5,
        evicted_age_ms=61_000,
        largest=[EntrySize(key="one/\x1b[2J17", bytes=60_000)],
    )
    idle = NamespaceStats(namespace="cards", bytes_max=32 * MIB)
    known = {"redis": "up", "lag_p50_ms": 0.8, "lag_p99_ms": 4.0, "canary": Canary(reads=1_204)}
    return GetStatsResponse(namespaces=[rounds, idle], bytes_max=64 * MIB, **(known | more))  # type: ignore[arg-type]


def test_the_board_tells_what_was_answered_what_is_held_and_how_stale_it_is() -> None:
    text = shown(board(stats()))
    for words in ("redis up", "hit rate 95.0 %", "saved 1 min 35 s", "1,204 reads, none stale", "late by 0.8 ms",
                  "p99 4 ms", "1.00 MiB", "1 min 1 s", "58.6 KiB", "idle: cards"):  # fmt: skip
        assert words in text, words
    (row,) = (line for line in text.splitlines() if line.startswith("rounds") and "95.0 %" in line)
    assert row.split()[-6:] == ["s", "50", "-", "49", "7", "3"]


def test_what_needs_somebody_to_act_is_told_in_words() -> None:
    text = shown(board(stats(redis="down", owed=2, canary=Canary(reads=10, stale_reads=1))))
    assert "redis down" in text
    assert "2 namespaces are owed to Redis" in text
    assert "1 of 10 reads were stale" in text


def test_no_key_moves_the_cursor() -> None:
    assert "\x1b" not in shown(board(stats())).replace("\x1b[0m", "")


def test_a_replica_that_did_nothing_yet_has_a_board_too() -> None:
    text = shown(board(GetStatsResponse(bytes_max=MIB, redis="off")))
    assert "redis off" in text
    assert "has read nothing yet" in text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Found(outcome=Found.MISS), ["nothing is kept"]),
        (Found(outcome=Found.ABSENT, tier=Found.L1, age_ms=5), ["ABSENT", "it is known that there is nothing"]),
        (
            Found(outcome=Found.HIT, tier=Found.L2, age_ms=1_840, version=17, value=b'{"a": [1]}'),
            ["HIT  from L2, 1.8 s old, 10 B  version 17", '"a": [\n    1\n  ]'],
        ),
        (Found(outcome=Found.STALE, tier=Found.L1, value="grün".encode()), ["STALE  from L1", "grün"]),
        (Found(outcome=Found.HIT, tier=Found.L1, value=b"\x0a\x02ab"), ["0a 02 61 62", "··ab"]),
        (Found(outcome=Found.HIT, tier=Found.L1, value=b"\x1b[2J"), ["1b 5b 32 4a", "·[2J"]),
        (Found(outcome=Found.HIT, tier=Found.L1, value=b"\xff" * 600), ["and 88 bytes more"]),
        (Found(outcome=Found.HIT, tier=Found.L1), ["0 B"]),
    ],
)
def test_an_entry_is_shown_as_what_it_is(found: Found, words: list[str]) -> None:
    text = shown(entry(found))
    for each in words:
        assert each in text, text
