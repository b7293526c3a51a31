"""The table of crash points and the code agree."""

import re
from pathlib import Path

import pytest

import services.persist
from services.chassis.config import ConfigError, read
from services.persist.config import PersistConfig
from services.persist.crash_points import POINTS

SOURCE = Path(services.persist.__path__[0])
ENVIRONMENT = {"DATABASE_URL": "postgresql://nowhere/furlong"}


def test_each_point_of_the_table_is_reached_at_one_place_in_the_code() -> None:
    reached = [name for file in SOURCE.rglob("*.py") for name in re.findall(r'\breach\("([^"]+)"\)', file.read_text())]
    assert sorted(reached) == sorted(POINTS)


@pytest.mark.parametrize(
    "environment",
    [{"FURLONG_CRASH_AT": "placing.read:1"}, {"FURLONG_CRASH_AT": "placing.red:1", "FURLONG_CRASH_POINTS": "on"}],
    ids=["crash points are off", "there is no such point"],
)
def test_a_crash_that_cannot_be_meant_refuses_to_start(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="FURLONG_CRASH_AT"):
        read(PersistConfig, ENVIRONMENT | environment)


def test_a_crash_that_is_meant_is_planned() -> None:
    crash = {"FURLONG_CRASH_AT": "placing.read:3:stop", "FURLONG_CRASH_POINTS": "on"}
    planned = read(PersistConfig, ENVIRONMENT | crash).crash.planned(POINTS)
    assert planned is not None
    assert (planned.point, planned.left, planned.stops) == ("placing.read", 3, True)


def test_each_point_stands_in_the_docs() -> None:
    page = (SOURCE.parents[1] / "docs" / "reliability.md").read_text()
    assert [name for name in POINTS if f"`{name}`" not in page] == []
