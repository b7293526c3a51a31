"""A slow, obvious model of the race "furlong/race/v1", written from `docs/race.md` and from nothing else.

It knows no code of the services, so that they are measured against it. `python -m tests.model.race` writes the vectors
in `tests/vectors/race.json` again; a test asserts that they are what the model says.
"""

import json
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from hmac import new
from math import floor
from pathlib import Path
from typing import Any

from tests.model.draw import words

VECTORS = Path(__file__).parent.parent / "vectors" / "race.json"
LINE = 100_000
LENGTH = 1_600
MARGINS = [5, 10, 20, 30, 50, 50, 75, 75, 100, 100, 125, 150, 175, 200, 250, 300]
STYLE = {1: 3, 2: 5, 3: 6, 4: 6, 5: 5, 6: 4, 7: 2}


def key(seed: bytes, track: str, round_id: int) -> bytes:
    """The key of one round's race; a seed of no bytes stands for none."""
    return new(seed or str(round_id).encode(), f"furlong/race/v1|{track}|{round_id}".encode(), sha256).digest()


def race(race_key: bytes, result: Sequence[int], positions: Sequence[int], race_ms: int) -> dict[str, Any]:
    """The race as it is on the wire."""
    stream = words(race_key)
    race_us = 1_000 * race_ms
    winner_us = floor(Fraction(race_us * (8_200 + next(stream) % 501), 10_000))
    chances = [(next(stream), next(stream)) for _ in result]
    places = list(positions) or list(range(1, len(result) + 1))

    margins = []
    for index, place in enumerate(places):
        is_behind = index > 0 and place != 0 and place != places[index - 1]
        margins.append(MARGINS[chances[index][0] % 16] if is_behind else 0)
    whole = sum(margins)
    if whole > 800:
        margins = [max(1, floor(Fraction(margin * 800, whole))) if margin > 0 else 0 for margin in margins]

    interval_ms = -(-race_ms // 32)
    runners = []
    for index, runner in enumerate(result):
        behind = sum(margins[: index + 1])
        arrives_us = winner_us + floor(Fraction(behind * 16 * winner_us, LINE))
        deviations = deviations_of(chances[index][1], behind * 16)
        stops = None if places[index] else floor(Fraction(LINE * (20 + chances[index][0] % 71), 100))
        covered = [
            covered_at(1_000 * frame * interval_ms, arrives_us, race_us, deviations, stops) for frame in range(33)
        ]
        runners.append(
            {
                "runner": runner,
                "covered": covered,
                "arrives_us": arrives_us if places[index] else 0,
                "margin_hundredths": margins[index],
            }
        )
    return {"key": race_key.hex(), "interval_ms": interval_ms, "runners": runners}


def deviations_of(word: int, behind_parts: int) -> list[int]:
    """How far before an even pace, at each eighth of the way."""
    high_first = [(word >> (8 * (7 - index))) % 256 - 128 for index in range(8)]
    keeps_up = [floor(behind_parts * (Fraction(at, 8) - Fraction(at, 8) ** 3)) for at in range(9)]
    return [0, *(high_first[0] * STYLE[at] * 4 + high_first[at] * 6 + keeps_up[at] for at in range(1, 8)), 0]


def covered_at(at_us: int, arrives_us: int, race_us: int, deviations: list[int], stops: int | None) -> int:
    """The parts that are behind a runner."""
    if stops is not None:
        would_be = before_the_line(min(at_us, arrives_us - 1), arrives_us, deviations)
        if would_be <= stops:
            return would_be
        too_far = would_be - stops
        return stops + floor(Fraction(too_far * 4_800, too_far + 4_800))
    if at_us < arrives_us:
        return before_the_line(at_us, arrives_us, deviations)
    after_us = at_us - arrives_us
    return LINE + floor(Fraction(LINE * after_us * (race_us - after_us), arrives_us * race_us))


def before_the_line(at_us: int, arrives_us: int, deviations: list[int]) -> int:
    """An even pace out of a standing start, and the runner's own way about it."""
    ticks = floor(Fraction(at_us * 65_536, arrives_us))
    even = floor(Fraction(LINE * (ticks**2 if ticks < 4_096 else 8_192 * ticks - 4_096**2), 520_093_696))
    eighth, into = ticks // 8_192, ticks % 8_192
    begin, end = deviations[eighth], deviations[eighth + 1]
    own = begin + floor(Fraction((end - begin) * into**2 * (24_576 - 2 * into), 8_192**3))
    return min(LINE - 1, even + own)


def text() -> str:
    """The file of vectors."""
    cases = [
        case("two runners", bytes(32), "harbour-mile", 17, [2, 1], [], 30_000),
        case("a field", bytes(range(32)), "harbour-mile", 18, [4, 1, 6, 2, 5, 3], [], 30_000),
        case(
            "a dead heat, and who did not finish", b"\xff" * 32, "city-sprint", 19, [3, 2, 7, 1], [1, 1, 3, 0], 12_345
        ),
        case("a result that was entered", b"", "city-sprint", 20, [9, 8, 12], [1, 2, 2], 4_000),
        case("a field that is drawn together", b"\x5a" * 32, "harbour-mile", 21, list(range(40, 0, -1)), [], 60_000),
    ]
    return json.dumps({"races": cases}, indent=1) + "\n"


def case(
    name: str, seed: bytes, track: str, round_id: int, result: list[int], positions: list[int], race_ms: int
) -> dict[str, Any]:
    """One vector, from its inputs to the whole race."""
    race_key = key(seed, track, round_id)
    return {
        "name": name,
        "server_seed": seed.hex(),
        "track": track,
        "round_id": round_id,
        "result": result,
        "positions": positions,
        "race_ms": race_ms,
        "race": race(race_key, result, positions, race_ms),
    }


if __name__ == "__main__":
    VECTORS.write_text(text())
