"""A process dies only where it was told to, and only where somebody said that it may."""

import os
import signal
from collections.abc import Iterator

import pytest

from services.chassis.config import ConfigError, read
from services.chassis.crash_points import EXIT_KILLED, CrashConfig, arm, reach

POINTS = {"selling.counted": "the money is counted", "selling.kept": "the money is kept"}


@pytest.fixture
def fates(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What would have happened to this process."""
    happened: list[str] = []
    monkeypatch.setattr(os, "_exit", lambda status: happened.append(f"exit {status}"))
    monkeypatch.setattr(os, "kill", lambda pid, how: happened.append(f"{signal.Signals(how).name} to {pid}"))
    yield happened
    arm(None)


def armed(at: str) -> None:
    arm(CrashConfig(points="on", at=at).planned(POINTS))


def test_nothing_happens_where_nothing_is_armed(fates: list[str]) -> None:
    arm(CrashConfig().planned(POINTS))
    reach("selling.kept")
    assert fates == []


def test_a_process_dies_the_nth_time_that_it_reaches_the_point(fates: list[str]) -> None:
    armed("selling.kept:2")
    reach("selling.kept")
    reach("selling.counted")
    assert fates == []
    reach("selling.kept")
    assert fates == [f"exit {EXIT_KILLED}"] == ["exit 137"]


def test_a_process_that_stopped_passes_the_point_from_then_on(fates: list[str]) -> None:
    armed("selling.counted:1:stop")
    reach("selling.counted")
    reach("selling.counted")
    assert fates == [f"SIGSTOP to {os.getpid()}"]


@pytest.mark.parametrize("at", ["selling:1", "selling.kept", "selling.kept:0", "selling.kept:x", "selling.kept:1:die",
                                "selling.kept:1:stop:2", "selling.kept:-1", "selling.kept:²"])  # fmt: skip
def test_what_names_no_crash_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match="FURLONG_CRASH_AT"):
        CrashConfig(points="on", at=at).planned(POINTS)


@pytest.mark.parametrize("points", [{}, {"FURLONG_CRASH_POINTS": "off"}])
def test_a_crash_is_refused_where_crash_points_are_off(points: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="FURLONG_CRASH_POINTS=on"):
        read(CrashConfig, {"FURLONG_CRASH_AT": "selling.kept:1", **points})


def test_a_point_that_is_in_no_table_is_a_mistake_of_ours(fates: list[str]) -> None:
    armed("selling.kept:1")
    with pytest.raises(AssertionError, match=r"selling\.lost"):
        reach("selling.lost")
