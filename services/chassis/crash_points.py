"""Crash points: places in the code, each with a name, where a process can be told to die.

A test that wants to know what is left behind when a process dies at a certain step sets

    FURLONG_CRASH_POINTS=on  FURLONG_CRASH_AT=placing.written:3         dies there, the third time, as by SIGKILL
    FURLONG_CRASH_POINTS=on  FURLONG_CRASH_AT=placing.written:3:stop    stops there, as by SIGSTOP, until SIGCONT

A service that has crash points embeds `CrashConfig` in its configuration, keeps one table of their names with what is
true at each, and arms them at start. Where nothing is armed, which is always but in such tests, a point costs one look
at a global.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.chassis.config import setting

EXIT_KILLED: Final = 128 + signal.SIGKILL
"""What a shell says of a process that SIGKILL ended."""

Points = Mapping[str, str]
"""The crash points of a service: the name of each, and what is true there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashConfig:
    """Whether the process may be told to die, and where."""

    points: str = setting(
        "FURLONG_CRASH_POINTS", "off", "on lets FURLONG_CRASH_AT be set; for tests only", choices=("on", "off")
    )
    at: str = setting(
        "FURLONG_CRASH_AT",
        "",
        "the crash point where the process dies, as `point:n` for the n-th time that it is reached; "
        "`point:n:stop` stops it there instead",
    )

    def __post_init__(self) -> None:
        """Check that nobody dies by accident; ValueError names the variables."""
        if self.at and self.points != "on":
            raise ValueError("FURLONG_CRASH_AT is set, which needs FURLONG_CRASH_POINTS=on")

    def planned(self, points: Points) -> "PlannedCrash | None":
        """The crash that is asked for, None where none is. Raises ValueError for what is no crash at these points."""
        if not self.at:
            return None
        point, *rest = self.at.split(":")
        if point not in points:
            raise ValueError(f"FURLONG_CRASH_AT names {point!r}; the crash points are {', '.join(points)}")
        match rest:
            case [nth] | [nth, "stop"] if nth.isascii() and nth.isdigit() and int(nth) > 0:
                return PlannedCrash(points=points, point=point, left=int(nth), stops=len(rest) == 2)
            case _:
                raise ValueError(f"FURLONG_CRASH_AT is {self.at!r}; it must be point:n or point:n:stop, n from 1")


@dataclass(slots=True, kw_only=True)
class PlannedCrash:
    """A crash that will come. `left` counts how often the point will still be reached, the fatal time included."""

    points: Points
    point: str
    left: int
    stops: bool

    def reach(self, point: str) -> None:
        """Pass a point, or do not."""
        assert point in self.points, f"{point} is not in the table of crash points"
        if point != self.point:
            return
        self.left -= 1
        if self.left == 0 and self.stops:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.left == 0:
            os._exit(EXIT_KILLED)  # no finally, no flush, no goodbye to anybody


_planned: PlannedCrash | None = None


def arm(crash: PlannedCrash | None) -> None:
    """Plan a crash of this process; None takes the plan back."""
    global _planned  # a crash is the whole process's, and looking at a global is all that a point costs
    _planned = crash


def reach(point: str) -> None:
    """Tell that the code has come to a crash point. Does nothing unless a crash is planned."""
    if _planned is not None:
        _planned.reach(point)
