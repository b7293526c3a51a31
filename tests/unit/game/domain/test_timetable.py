"""When the next round of a track locks: multiples of a time, or times of a day, with summer time and without."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain.timetable import (
    BETTING_MS_MIN,
    DAY_MS,
    OPENS_BEFORE_MS_MIN,
    Off,
    is_time_zone,
    next_off,
)
from services.game.domain.track import DEFAULT_TIMETABLE, Program, Timetable

WINDOW_MS = DEFAULT_TIMETABLE.betting_window_ms
HALF_PAST_TWO_S = 9_000
LONDON = ZoneInfo("Europe/London")


def ms(text: str) -> int:
    """A time of UTC, in milliseconds since the Unix epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def off_after(text: str, **program: Any) -> str:
    off = next_off(Program(**program), DEFAULT_TIMETABLE, ms(text))
    assert off is not None
    return datetime.fromtimestamp(off.locks_at_ms / 1_000, UTC).isoformat(" ", "milliseconds")[:23]


def test_a_program_without_times_leaves_the_off_to_the_betting_window() -> None:
    assert next_off(Program(), DEFAULT_TIMETABLE, ms("2026-07-01 12:00:00")) is None


@pytest.mark.parametrize(
    ("every_ms", "now", "off"),
    [
        (60_000,     "2026-07-01 12:00:00.000", "2026-07-01 12:01:00.000"),
        (60_000,     "2026-07-01 12:00:01.000", "2026-07-01 12:01:00.000"),
        (60_000,     "2026-07-01 12:00:58.500", "2026-07-01 12:01:00.000"),
        (60_000,     "2026-07-01 12:00:58.501", "2026-07-01 12:02:00.000"),  # missed, and skipped
        (2_000,      "2026-07-01 12:00:00.000", "2026-07-01 12:00:02.000"),
        (2_000,      "2026-07-01 12:00:00.600", "2026-07-01 12:00:04.000"),
        (86_400_000, "2026-07-01 12:00:00.000", "2026-07-02 00:00:00.000"),
        (50_000_000, "2026-07-01 12:00:00.000", "2026-07-01 13:53:20.000"),  # the day is no multiple of it
        (50_000_000, "2026-07-01 14:00:00.000", "2026-07-02 00:00:00.000"),
        (3_600_000,  "2026-07-01 23:59:59.000", "2026-07-02 01:00:00.000"),
    ],
)  # fmt: skip
def test_every_so_often_is_counted_from_midnight_utc(every_ms: int, now: str, off: str) -> None:
    assert off_after(now, every_ms=every_ms) == off


@pytest.mark.parametrize(
    ("now", "off"),
    [
        ("2026-01-10 13:00:00", "2026-01-10 14:00:00.000"),
        ("2026-01-10 14:00:00", "2026-01-10 14:35:30.000"),
        ("2026-01-10 14:35:29", "2026-01-11 14:00:00.000"),
        ("2026-12-31 20:00:00", "2027-01-01 14:00:00.000"),
        ("2026-07-10 12:00:00", "2026-07-10 13:00:00.000"),  # in summer London's clocks are an hour ahead of UTC
        ("2026-03-28 20:00:00", "2026-03-29 13:00:00.000"),
        ("2026-10-24 20:00:00", "2026-10-25 14:00:00.000"),
    ],
)
def test_times_of_the_day_are_those_of_a_clock_on_the_wall(now: str, off: str) -> None:
    assert off_after(now, off_times_s=(50_400, 52_530), time_zone="Europe/London") == off


@pytest.mark.parametrize(
    ("zone", "now", "off"),
    [
        ("",                 "2026-03-29 00:00:00", "2026-03-29 02:30:00.000"),
        ("Europe/Berlin",    "2026-03-28 00:00:00", "2026-03-28 01:30:00.000"),
        ("Europe/Berlin",    "2026-03-28 12:00:00", "2026-03-30 00:30:00.000"),  # 02:30 is left out on the 29th
        ("Europe/Berlin",    "2026-10-24 12:00:00", "2026-10-25 00:30:00.000"),  # it comes twice: the first counts
        ("Europe/Berlin",    "2026-10-25 00:30:00", "2026-10-26 01:30:00.000"),
        ("America/New_York", "2026-03-08 05:00:00", "2026-03-09 06:30:00.000"),
        ("Asia/Kathmandu",   "2026-03-08 00:00:00", "2026-03-08 20:45:00.000"),
    ],
)  # fmt: skip
def test_a_time_that_is_left_out_has_no_race_and_one_that_comes_twice_has_one(zone: str, now: str, off: str) -> None:
    assert off_after(now, off_times_s=(HALF_PAST_TWO_S,), time_zone=zone) == off


def test_a_round_opens_its_betting_window_before_its_off_or_as_soon_as_it_can() -> None:
    program = Program(every_ms=3_600_000)
    noon_ms = ms("2026-07-01 12:00:00")
    early, late = (next_off(program, DEFAULT_TIMETABLE, noon_ms - ahead_ms) for ahead_ms in (600_000, 10_000))
    assert early == Off(opens_at_ms=noon_ms - WINDOW_MS, locks_at_ms=noon_ms)
    assert late == Off(opens_at_ms=noon_ms - 10_000, locks_at_ms=noon_ms)
    brief = Timetable(betting_window_ms=1_000, lock_ms=100, race_ms=100, finish_ms=100)
    off = next_off(program, brief, noon_ms - 600_000)
    assert off == Off(opens_at_ms=noon_ms - OPENS_BEFORE_MS_MIN, locks_at_ms=noon_ms)


@pytest.mark.parametrize("name", ["", "UTC", "Europe/London", "America/Argentina/Buenos_Aires"])
def test_a_zone_of_the_database_is_known(name: str) -> None:
    assert is_time_zone(name)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b", "é" * 300])
def test_what_is_no_zone_is_told_apart(name: str) -> None:
    assert not is_time_zone(name)


TIMES = st.lists(st.integers(0, 86_399), min_size=1, max_size=5, unique=True).map(lambda times: tuple(sorted(times)))


@given(TIMES, st.integers(ms("2026-03-01 00:00:00"), ms("2026-11-30 00:00:00")))
def test_the_off_is_the_first_time_on_the_wall_that_is_not_missed(off_times_s: tuple[int, ...], now_ms: int) -> None:
    off = next_off(Program(off_times_s=off_times_s, time_zone="Europe/London"), DEFAULT_TIMETABLE, now_ms)
    assert off is not None
    at = datetime.fromtimestamp(off.locks_at_ms / 1_000, LONDON)
    assert (at.hour * 60 + at.minute) * 60 + at.second in off_times_s
    assert now_ms + BETTING_MS_MIN <= off.locks_at_ms <= now_ms + BETTING_MS_MIN + 2 * DAY_MS + 3_600_000
    assert max(now_ms, off.locks_at_ms - WINDOW_MS) == off.opens_at_ms


@given(st.integers(2_000, DAY_MS), st.integers(0, ms("2100-01-01 00:00:00")))
def test_offs_of_every_so_often_rise_by_no_more_than_that(every_ms: int, now_ms: int) -> None:
    program = Program(every_ms=every_ms)
    first = next_off(program, DEFAULT_TIMETABLE, now_ms)
    assert first is not None
    assert 0 <= first.locks_at_ms - now_ms - BETTING_MS_MIN < every_ms
    assert first.locks_at_ms % DAY_MS % every_ms == 0
