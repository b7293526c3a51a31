"""The window slides in slots of ten seconds and forgets what is older than ten minutes."""

from collections import Counter

import pytest

from services.metrics.domain.window import SLOT_MS, SLOTS_MAX, WINDOW_MS_MAX, Window, first_slot


def counted(window: Window[Counter[str]], now_ms: int, window_ms: int) -> int:
    return sum(each["x"] for each in window.since(first_slot(now_ms, window_ms)))


@pytest.mark.parametrize(
    ("happened_ms", "now_ms", "window_ms", "seen"),
    [
        (0, 0, 1_000, True),
        (0, 9_999, 1_000, True),  # the slot is never cut
        (0, 10_999, 1_000, True),
        (0, 11_000, 1_000, False),
        (59_999, 119_999, 60_000, True),
        (59_999, 120_000, 60_000, False),
        (0, 609_999, WINDOW_MS_MAX, True),
        (0, 610_000, WINDOW_MS_MAX, False),
    ],
)
def test_a_window_reaches_back_to_the_slot_in_which_it_begins(
    happened_ms: int, now_ms: int, window_ms: int, seen: bool
) -> None:
    window: Window[Counter[str]] = Window(Counter)
    window.at(happened_ms)["x"] += 1
    window.at(now_ms)
    assert counted(window, now_ms, window_ms) == int(seen)


def test_what_happens_for_hours_takes_no_more_room_than_ten_minutes() -> None:
    window: Window[Counter[str]] = Window(Counter)
    for slot in range(1_000):
        window.at(slot * SLOT_MS)["x"] += 1
    assert len(list(window.since(0))) == SLOTS_MAX
    assert counted(window, 999 * SLOT_MS, WINDOW_MS_MAX) == SLOTS_MAX


def test_a_window_is_idle_when_nothing_happened_in_it() -> None:
    window: Window[Counter[str]] = Window(Counter)
    assert window.is_idle(0)
    window.at(0)
    assert not window.is_idle(WINDOW_MS_MAX)
    assert window.is_idle(WINDOW_MS_MAX + SLOT_MS)
