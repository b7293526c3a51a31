"""The board has room for so many series, and gives the room of those without news to new ones."""

import pytest

from services.metrics.domain.board import TICKETS, Board, BoardFull
from services.metrics.domain.levels import INSTANCES_MAX, LEVEL_AGE_MS_MAX
from services.metrics.domain.window import SLOT_MS, WINDOW_MS_MAX


def test_a_series_too_many_is_refused_and_the_known_ones_go_on() -> None:
    board = Board(series_max=3)
    for n in range(3):
        board.add_calls("game", f"method {n}", [(0, 1)], errors=False, longest_s=1, now_ms=0)
    with pytest.raises(BoardFull):
        board.add_executions("commit", [(0, 1)], errors=False, longest_s=1, now_ms=0)
    board.add_calls("game", "method 0", [(0, 1)], errors=True, longest_s=1, now_ms=0)
    assert [each.latency.count for each in board.methods(0)] == [2, 1, 1]
    assert (len(board), len(board.statements(0))) == (3, 0)


def test_a_series_without_news_makes_way() -> None:
    board = Board(series_max=2)
    board.add_sales("harbour-mile", TICKETS, 1, 0)
    board.set_watchers("harbour-mile", "one", 1, 0)
    later_ms = WINDOW_MS_MAX + SLOT_MS
    board.add_sales("city-sprint", TICKETS, 1, later_ms)
    assert [each.track for each in board.tracks(0, later_ms)] == ["city-sprint"]


def test_any_number_of_new_names_takes_no_more_room() -> None:
    board = Board(series_max=50)
    refused = 0
    for n in range(5_000):
        try:
            board.add_lookups(f"namespace {n}", "l1", "hits", 1, n)
        except BoardFull:
            refused += 1
    assert (len(board), refused) == (50, 4_950)


def test_watchers_of_a_process_that_went_silent_are_gone() -> None:
    board = Board(series_max=10)
    board.set_watchers("harbour-mile", "one", 3, 0)
    board.set_watchers("harbour-mile", "two", 4, LEVEL_AGE_MS_MAX)
    assert board.tracks(0, LEVEL_AGE_MS_MAX)[0].watchers == 7
    assert board.tracks(0, LEVEL_AGE_MS_MAX + 1)[0].watchers == 4


def test_a_process_too_many_is_refused_until_another_has_gone() -> None:
    board = Board(series_max=10)
    for n in range(INSTANCES_MAX):
        board.set_watchers("harbour-mile", str(n), 1, 0)
    with pytest.raises(BoardFull):
        board.set_watchers("harbour-mile", "late", 1, LEVEL_AGE_MS_MAX)
    board.set_watchers("harbour-mile", "late", 1, LEVEL_AGE_MS_MAX + 1)
    assert board.tracks(0, LEVEL_AGE_MS_MAX + 1)[0].watchers == 1
