"""The race on the board is the one that was published, and nobody runs backwards."""

from itertools import pairwise

import pytest
from furlong.common.v1.round_pb2 import Race, RaceRunner
from google.protobuf.json_format import ParseDict

from deploy.local.demo.race import positions, won_ms
from tests.model import race as model

RESULT = [4, 1, 7, 2, 3, 6, 5]
RACE_MS = 20_000
RACES = [
    ParseDict(model.race(model.key(bytes(32), "t", round_id), RESULT, [1, 1, 3, 4, 5, 6, 0], RACE_MS), Race())
    for round_id in range(10)
]


@pytest.mark.parametrize("race", RACES)
def test_everybody_is_where_the_keyframes_say(race: Race) -> None:
    for frame in range(33):
        where = positions(race, frame * race.interval_ms)
        assert where == {each.runner: min(each.covered[frame] / 100_000, 1.0) for each in race.runners}


@pytest.mark.parametrize("race", RACES)
def test_nobody_runs_backwards_or_past_the_post(race: Race) -> None:
    steps = [positions(race, RACE_MS * step / 200) for step in range(-5, 260)]

    for earlier, later in pairwise(steps):
        assert all(0.0 <= earlier[runner] <= later[runner] <= 1.0 for runner in RESULT)


@pytest.mark.parametrize("race", RACES)
def test_the_picture_of_the_finish_has_the_winners_on_the_line_and_nobody_else(race: Race) -> None:
    where = positions(race, won_ms(race))

    assert [runner for runner, at in where.items() if at == 1.0] == [4, 1]


def test_a_race_without_finishers_is_won_by_nobody() -> None:
    assert won_ms(Race(runners=[RaceRunner(runner=1, covered=[0] * 33)])) == 0
