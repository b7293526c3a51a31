"""When a track's next round locks: as soon as its betting window is over, or at a time that its program names.

The off of a round is when betting closes, its `locks_at`; the race starts `lock_ms` later. A program names offs in one
of two ways:

- `every_ms`: the multiples of it since midnight UTC. Where it does not divide the day, midnight begins anew.
- `off_times_s`: seconds after midnight as a clock on the wall of `time_zone` shows them, every day.

1. A round opens its betting window before its off, but at least OPENS_BEFORE_MS_MIN; where the one before has ended
   later than that, as soon as it has.
2. An off that is less than BETTING_MS_MIN away has been missed: it is skipped, and the next one is taken. Nothing is
   made up for, however many were missed.
3. Where clocks are set forward, a time that no clock shows that day has no race. Where they are set back, a time that
   clocks show twice has one, at the first of the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.game.domain.track import Program, Timetable

BETTING_MS_MIN: Final = 1_500
"""The shortest betting that a round opens for, in milliseconds. The store refuses less than a second by its clock."""

OPENS_BEFORE_MS_MIN: Final = 3_000
"""How long before its off a round opens at the latest, if it can: one that opens a little late keeps its off."""

DAY_MS: Final = 86_400_000
DAY_S: Final = 86_400

_DAYS_TRIED: Final = 4
"""An off of some day at all is found by then: yesterday by the zone's calendar to the day after tomorrow. A day has no
off where its only times fall in the hour that is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """The next round opens at `opens_at_ms` and locks at `locks_at_ms`, in milliseconds since the Unix epoch."""

    opens_at_ms: int
    locks_at_ms: int


def next_off(program: Program, timetable: Timetable, now_ms: int) -> Off | None:
    """Tell when the next round of a track locks if nothing else is on it at `now_ms`; None without times of its own."""
    if not (program.every_ms or program.off_times_s):
        return None
    earliest_ms = now_ms + BETTING_MS_MIN
    locks_at_ms = _multiple(program.every_ms, earliest_ms) if program.every_ms else _time_of_day(program, earliest_ms)
    opens_before_ms = max(timetable.betting_window_ms, OPENS_BEFORE_MS_MIN)
    return Off(opens_at_ms=max(now_ms, locks_at_ms - opens_before_ms), locks_at_ms=locks_at_ms)


def is_time_zone(name: str) -> bool:
    """Tell whether the IANA database knows a zone of this name; the empty name stands for UTC."""
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _multiple(every_ms: int, earliest_ms: int) -> int:
    """The first multiple of `every_ms` since a midnight UTC that is not before `earliest_ms`."""
    midnight_ms = earliest_ms - earliest_ms % DAY_MS
    after_midnight_ms = -(-(earliest_ms - midnight_ms) // every_ms) * every_ms
    return midnight_ms + min(after_midnight_ms, DAY_MS)


def _time_of_day(program: Program, earliest_ms: int) -> int:
    zone = _zone(program.time_zone)
    first_day = datetime.fromtimestamp(earliest_ms // 1_000, zone).date() - timedelta(days=1)
    days = (first_day + timedelta(days=n) for n in range(_DAYS_TRIED))
    offs = (off_ms for day in days for off_ms in _offs_of(day, program.off_times_s, zone))
    return next(off_ms for off_ms in offs if off_ms >= earliest_ms)


def _offs_of(day: date, off_times_s: tuple[int, ...], zone: ZoneInfo) -> Iterator[int]:
    """The offs of a day by the zone's calendar, the earliest first."""
    for off_time_s in off_times_s:
        minutes, second = divmod(off_time_s, 60)
        hour, minute = divmod(minutes, 60)
        on_the_wall = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone)
        off = on_the_wall.astimezone(UTC)
        if off.astimezone(zone).replace(fold=0) == on_the_wall:  # else no clock shows it that day
            yield int(off.timestamp()) * 1_000


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name or "UTC")
