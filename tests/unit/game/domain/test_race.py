"""A race agrees with the slow model, is run as its result says, and looks like one."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain.phase import WITH_RESULT, Phase
from services.game.domain.race import INTERVALS, LENGTH, LINE, Race, Way, race_key, race_of, run
from tests.model import race as model
from tests.rounds import SEED, stored_round

VECTORS = json.loads(model.VECTORS.read_text())
RUNNERS_MAX = 40
RACE_MS_MIN = 100
RACE_MS_MAX = 600_000
SEEN_RACES = 300
A_LENGTH = 100

keys = st.binary(min_size=32, max_size=32)
times_ms = st.integers(RACE_MS_MIN, RACE_MS_MAX)


@st.composite
def endings(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A result with its positions: dead heats, those who did not finish, or none of it."""
    runners = draw(st.lists(st.integers(1, RUNNERS_MAX), min_size=1, max_size=RUNNERS_MAX, unique=True))
    if draw(st.booleans()):
        return tuple(runners), ()
    finishers = draw(st.integers(0, len(runners)))
    positions: list[int] = []
    for place in range(1, finishers + 1):
        positions.append(positions[-1] if positions and draw(st.integers(0, 3)) == 0 else place)
    return tuple(runners), tuple(positions + [0] * (len(runners) - finishers))


def races(count: int, runners: int = 10) -> list[Race]:
    """Races of one result, each with another key."""
    result = tuple(range(1, runners + 1))
    return [
        run(key=race_key(server_seed=SEED, track="seen", round_id=n), result=result, positions=(), race_ms=30_000)
        for n in range(count)
    ]


def finishers(race: Race) -> list[Way]:
    return [way for way in race.ways if way.arrives_us]


def test_the_vectors_are_what_the_model_says() -> None:
    assert model.VECTORS.read_text() == model.text()


@pytest.mark.parametrize("case", VECTORS["races"], ids=lambda case: case["name"])
def test_a_race_is_that_of_its_vector(case: dict[str, Any]) -> None:
    seed = bytes.fromhex(case["server_seed"])
    key = race_key(server_seed=seed, track=case["track"], round_id=case["round_id"])
    race = run(key=key, result=tuple(case["result"]), positions=tuple(case["positions"]), race_ms=case["race_ms"])

    assert as_on_the_wire(race) == case["race"]


@given(key=keys, ending=endings(), race_ms=times_ms)
def test_any_race_is_the_one_of_the_model(
    key: bytes, ending: tuple[tuple[int, ...], tuple[int, ...]], race_ms: int
) -> None:
    result, positions = ending

    race = run(key=key, result=result, positions=positions, race_ms=race_ms)

    assert as_on_the_wire(race) == model.race(key, result, positions, race_ms)


@given(key=keys, ending=endings(), race_ms=times_ms)
def test_runners_arrive_as_the_result_and_the_positions_say(
    key: bytes, ending: tuple[tuple[int, ...], tuple[int, ...]], race_ms: int
) -> None:
    result, positions = ending
    race = run(key=key, result=result, positions=positions, race_ms=race_ms)
    positions = positions or tuple(range(1, len(result) + 1))

    assert [way.runner for way in race.ways] == list(result)
    for way, position in zip(race.ways, positions, strict=True):
        assert (way.arrives_us > 0) == (position > 0)
        assert way.arrives_us < race_ms * 1_000
    arrived = list(zip(finishers(race), positions, strict=False))
    for (before, place_before), (after, place_after) in pairwise(arrived):
        assert (before.arrives_us == after.arrives_us) == (place_before == place_after)
        assert before.arrives_us <= after.arrives_us
        assert (after.margin_hundredths == 0) == (place_before == place_after)


@given(key=keys, ending=endings(), race_ms=times_ms)
def test_keyframes_never_go_back_and_pass_the_line_when_the_runner_arrives(
    key: bytes, ending: tuple[tuple[int, ...], tuple[int, ...]], race_ms: int
) -> None:
    result, positions = ending
    race = run(key=key, result=result, positions=positions, race_ms=race_ms)

    assert race.interval_ms * INTERVALS >= race_ms
    for way in race.ways:
        assert len(way.covered) == INTERVALS + 1
        assert way.covered[0] == 0
        assert list(way.covered) == sorted(way.covered)
        for frame, covered in enumerate(way.covered):
            has_arrived = 0 < way.arrives_us <= frame * race.interval_ms * 1_000
            assert (covered >= LINE) == has_arrived
    at_the_end = [way.covered[-1] for way in finishers(race)]
    assert at_the_end == sorted(at_the_end, reverse=True)


@given(key=keys, ending=endings())
def test_the_same_inputs_give_the_same_race_and_another_key_gives_another_one(
    key: bytes, ending: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    result, positions = ending
    of = {"result": result, "positions": positions, "race_ms": 30_000}

    race = run.__wrapped__(key=key, **of)

    assert race == run(key=key, **of)
    assert race.ways != run(key=bytes(byte ^ 1 for byte in key), **of).ways


def test_no_two_races_of_a_track_are_alike() -> None:
    seen = races(SEEN_RACES)

    assert len({tuple(way.covered for way in race.ways) for race in seen}) == SEEN_RACES
    assert len({race.ways[0].arrives_us for race in seen}) > SEEN_RACES // 2, "the pace is always the same"


def test_half_way_tells_little_of_the_result() -> None:
    leaders = [max(race.ways, key=lambda way: way.covered[INTERVALS // 2]).runner for race in races(SEEN_RACES)]
    winner = leaders.count(1)
    placed = sum(leader <= 3 for leader in leaders)

    assert SEEN_RACES // 20 < winner < SEEN_RACES // 2, "who leads half way wins too seldom or too often"
    assert placed < SEEN_RACES * 4 // 5
    assert len(set(leaders)) >= 8, "some lead never"


def test_the_lead_changes_in_most_races() -> None:
    changes = [len(set(leaders_of(race))) for race in races(SEEN_RACES)]

    assert sum(count > 1 for count in changes) > SEEN_RACES * 8 // 10
    assert max(changes) <= 8


def test_the_field_stays_within_sight() -> None:
    for race in races(SEEN_RACES, runners=RUNNERS_MAX):
        for frame in range(INTERVALS + 1):
            covered = [way.covered[frame] for way in race.ways]
            assert max(covered) - min(covered) < 16 * LENGTH


def test_some_finishes_are_for_the_photo_and_some_are_clear() -> None:
    margins = [race.ways[1].margin_hundredths for race in races(SEEN_RACES)]

    assert SEEN_RACES // 20 < sum(margin <= 10 for margin in margins) < SEEN_RACES // 3
    assert SEEN_RACES // 20 < sum(margin > A_LENGTH for margin in margins) < SEEN_RACES // 2


def test_who_does_not_finish_stops_on_the_way() -> None:
    race = run(key=bytes(32), result=(1, 2, 3), positions=(1, 0, 0), race_ms=30_000)

    for way in race.ways[1:]:
        assert (way.arrives_us, way.margin_hundredths) == (0, 0)
        assert LINE // 5 <= way.covered[-1] < LINE
        assert way.covered[-1] - way.covered[-2] < LENGTH


@pytest.mark.parametrize("phase", list(Phase))
def test_a_round_has_a_race_from_the_start_on_and_never_before(phase: Phase) -> None:
    assert (race_of(stored_round(phase).round) is not None) == (phase in WITH_RESULT)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in WITH_RESULT])
def test_a_round_that_has_not_started_cannot_carry_a_key(phase: Phase) -> None:
    with pytest.raises(AssertionError, match="has a race already"):
        replace(stored_round(phase).round, race_key=b"key")


def test_a_corrected_round_has_no_race() -> None:
    round_ = stored_round(Phase.SETTLED).round

    assert race_of(replace(round_, result=round_.result[::-1], correction_reason="objection")) is None


def as_on_the_wire(race: Race) -> dict[str, Any]:
    return {
        "key": race.key.hex(),
        "interval_ms": race.interval_ms,
        "runners": [
            {
                "runner": way.runner,
                "covered": list(way.covered),
                "arrives_us": way.arrives_us,
                "margin_hundredths": way.margin_hundredths,
            }
            for way in race.ways
        ],
    }


def leaders_of(race: Race) -> list[int]:
    """Who leads at each keyframe after the gate until somebody arrives."""
    frames = [frame for frame in range(2, INTERVALS + 1) if max(way.covered[frame] for way in race.ways) < LINE]
    return [max(race.ways, key=lambda way: way.covered[frame]).runner for frame in frames]
