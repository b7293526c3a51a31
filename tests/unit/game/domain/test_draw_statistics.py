"""Many rounds drawn as a track draws them, from its seed chain: no pattern in a round, and none between rounds.

The exact law is proved in `test_draw.py` by counting. These tests look for what counting cannot see: HMACs, chains and
roots put together wrongly, so that rounds depend on each other. All seeds are fixed, so a test that passes passes for
ever; each asks whether its figure would be one of the hundred least likely ones.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import islice, pairwise, permutations
from typing import Any

import pytest

from services.game.domain.beacon import randomness
from services.game.domain.card import Runner
from services.game.domain.draw import draw, words

ROUNDS = 6_000
CHI_SQUARE_99 = {5: 15.086, 9: 21.666, 23: 41.638, 255: 310.457}
"""What a chi-square of so many degrees of freedom exceeds once in a hundred times."""
NORMAL_99 = 2.5758
"""How many standard deviations a normal figure is off once in a hundred times, on either side."""
FAMILY_99 = 3.75
"""The same for the largest of the 55 figures that are asked about rounds that follow each other."""

Field = tuple[tuple[int, int], ...]
"""Runners and their weights."""

FIELDS: Sequence[Field] = (
    ((1, 5), (2, 3), (3, 2)),
    ((1, 29), (2, 34), (3, 11), (4, 26)),
    ((3, 1), (8, 1), (20, 1), (40, 1)),
)


def seeds_of(name: str, length: int) -> list[bytes]:
    """The seeds of a chain in the order in which rounds use them, as `test_seed_chain.py` has them by hand."""
    seeds = [sha256(name.encode()).digest()]
    while len(seeds) < length:
        seeds.append(sha256(seeds[-1]).digest())
    return seeds[::-1]


@cache
def orders(name: str, field: Field, rounds: int, *, beacon: bool = False) -> list[tuple[int, ...]]:
    """The results of rounds one after another, each as a track would draw it."""
    runners = [Runner(runner=runner, name="", weight=weight) for runner, weight in field]
    return [
        draw(
            server_seed=seed,
            track="harbour-mile",
            round_id=index,
            beacon=randomness(index.to_bytes(48, "big")) if beacon else "",
            tickets_root=sha256(f"{name} {index}".encode()).hexdigest(),
            runners=runners,
        )
        for index, seed in enumerate(seeds_of(name, rounds), start=1)
    ]


def expected(order: tuple[int, ...], weights: Mapping[int, int]) -> float:
    chance, left = 1.0, sum(weights.values())
    for runner in order:
        chance *= weights[runner] / left
        left -= weights[runner]
    return chance


def chi_square(counts: Mapping[Any, int], chances: Mapping[Any, float]) -> float:
    total = sum(counts.values())
    return sum((counts[each] - total * chance) ** 2 / (total * chance) for each, chance in chances.items())


def correlation(figures: Sequence[float], lag: int) -> float:
    """The correlation of figures with those that come so much later, in standard deviations of what chance gives."""
    mean = sum(figures) / len(figures)
    off = [figure - mean for figure in figures]
    together = sum(a * b for a, b in zip(off, off[lag:], strict=False))
    return together / sum(a * a for a in off) * math.sqrt(len(figures))


def runs_off(flags: Sequence[bool]) -> float:
    """How far the number of runs is off from what chance gives (Wald and Wolfowitz), in standard deviations."""
    yes, no = sum(flags), len(flags) - sum(flags)
    runs = 1 + sum(a != b for a, b in pairwise(flags))
    mean = 1 + 2 * yes * no / (yes + no)
    variance = (mean - 1) * (mean - 2) / (yes + no - 1)
    return (runs - mean) / math.sqrt(variance)


@pytest.mark.parametrize("beacon", [False, True])
@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_all_orders_come_as_often_as_their_chances_say(field: Field, beacon: bool) -> None:
    weights = dict(field)
    chances: dict[object, float] = {order: expected(order, weights) for order in permutations(weights)}
    found = chi_square(Counter(orders("orders", field, ROUNDS, beacon=beacon)), chances)

    assert found < CHI_SQUARE_99[len(chances) - 1]


@pytest.mark.parametrize("lag", [1, 2, 3, 7])
@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_round_tells_nothing_about_those_after_it(field: Field, lag: int) -> None:
    results = orders("lags", field, ROUNDS)
    for place in range(len(field)):
        figures = [float(order[place] == field[0][0]) for order in results]

        assert abs(correlation(figures, lag)) < FAMILY_99, f"place {place}"


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_winners_come_in_runs_as_chance_has_it(field: Field) -> None:
    results = orders("lags", field, ROUNDS)
    for runner, _ in field:
        assert abs(runs_off([order[0] == runner for order in results])) < FAMILY_99, f"runner {runner}"


def test_over_many_chains_the_figures_are_spread_as_chance_spreads_them() -> None:
    field = ((1, 2), (2, 1))
    tenths: Counter[object] = Counter()
    for number in range(200):
        won = [float(order[0] == 1) for order in orders(f"chain {number}", field, 200)]
        off = (sum(won) - 200 * 2 / 3) / math.sqrt(200 * 2 / 9)
        smooth = off + (number % 7 - 3) / 7 / math.sqrt(200 * 2 / 9)  # a count is whole: spread it over its step
        tenths[min(9, int(10 * (1 + math.erf(smooth / math.sqrt(2))) / 2))] += 1

    assert chi_square(tenths, dict.fromkeys(range(10), 0.1)) < CHI_SQUARE_99[9]


def test_the_words_of_a_stream_have_no_favourite_byte_and_no_favourite_bit() -> None:
    raw = b"".join(word.to_bytes(8, "big") for word in islice(words(sha256(b"words").digest()), 65_536))
    ones = sum(byte.bit_count() for byte in raw)

    assert chi_square(Counter(raw), dict.fromkeys(range(256), 1 / 256)) < CHI_SQUARE_99[255]
    assert abs(ones - 4 * len(raw)) / math.sqrt(2 * len(raw)) < NORMAL_99
