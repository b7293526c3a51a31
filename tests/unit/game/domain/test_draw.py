"""The draw agrees with the slow model, and every finishing order has exactly the chance that its weights say."""

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.game.domain import draw as game
from services.game.domain.card import Runner
from tests.model import draw as model

VECTORS = json.loads(model.VECTORS.read_text())


def field(weights: dict[int, int]) -> list[Runner]:
    return [Runner(runner=runner, name="", weight=weight) for runner, weight in weights.items()]


def test_the_vectors_are_what_the_model_says() -> None:
    assert model.VECTORS.read_text() == model.text()


@pytest.mark.parametrize("case", VECTORS["draws"], ids=lambda case: case["name"])
def test_a_draw_gives_the_result_of_its_vector(case: dict[str, Any]) -> None:
    proof = case["proof"]
    seed = bytes.fromhex(proof["server_seed"])
    inputs = {
        "server_seed": seed,
        "track": proof["track"],
        "round_id": int(proof["round_id"]),
        "beacon": proof["beacon"],
        "tickets_root": proof["tickets_root"],
    }
    key = game.draw_key(**inputs)
    stream = game.words(key)

    assert game.commitment(seed).hex() == proof["commitment"]
    assert key.hex() == case["key"]
    assert [f"{next(stream):016x}" for _ in case["words"]] == case["words"]
    runners = field({runner["runner"]: int(runner["weight"]) for runner in proof["runners"]})
    assert list(game.draw(**inputs, runners=runners)) == proof["result"]
    assert list(game.draw(**inputs, runners=reversed(runners))) == proof["result"]


@pytest.mark.parametrize("case", VECTORS["scaler"], ids=lambda case: f"below {case['total']}")
def test_the_scaler_gives_the_value_of_its_vector(case: dict[str, Any]) -> None:
    words = iter([int(word, 16) for word in case["words"]])

    assert game.below(case["total"], words) == case["value"]
    assert len(list(words)) == len(case["words"]) - case["words_used"]


@pytest.mark.parametrize("total", [1, 2, 3, 5, 7, 16, 100])
def test_every_value_has_equally_many_words(total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(game, "WORD_VALUES", 256)  # a byte in the place of 64 bits: all words can be counted

    counts = dict.fromkeys(range(total), 0)
    for word in range(256):
        after_a_rejection = iter([word, 0])
        value = game.below(total, after_a_rejection)
        if list(after_a_rejection):
            counts[value] += 1

    assert set(counts.values()) == {256 // total}


def plackett_luce(order: tuple[int, ...], weights: dict[int, int]) -> Fraction:
    chance, left = Fraction(1), sum(weights.values())
    for runner in order:
        chance *= Fraction(weights[runner], left)
        left -= weights[runner]
    return chance


@pytest.mark.parametrize(
    "weights",
    [{1: 1, 2: 1}, {1: 3, 2: 1}, {1: 1, 2: 1, 3: 1}, {1: 5, 2: 3, 3: 2}, {2: 1, 5: 4, 9: 2}, {1: 1, 2: 2, 3: 3, 4: 1}],
)
def test_every_order_is_drawn_with_exactly_its_chance(weights: dict[int, int]) -> None:
    # A place is given by a value below the weight that is left, so the places already given say how many values there
    # are for the next one. Walking through all of them gives the law of the draw itself: equality, not statistics.
    law = dict.fromkeys(permutations(weights), Fraction(0))
    for chance, order in all_draws(field(weights), (), Fraction(1)):
        law[order] += chance

    assert law == {order: plackett_luce(order, weights) for order in permutations(weights)}


def all_draws(
    runners: list[Runner], values: tuple[int, ...], chance: Fraction
) -> Iterator[tuple[Fraction, tuple[int, ...]]]:
    """Every sequence of values that a draw of these runners can use, with its chance and its order."""
    places = len(runners) - 1
    if len(values) == places:
        yield chance, game.finishing_order(runners, iter(values))
        return
    given = game.finishing_order(runners, iter(values + (0,) * (places - len(values))))[: len(values)]
    left = sum(runner.weight for runner in runners if runner.runner not in given)
    for value in range(left):
        yield from all_draws(runners, (*values, value), chance / left)


@given(st.binary(min_size=32, max_size=32), st.dictionaries(st.integers(1, 40), st.integers(1, 10**9), min_size=2))
def test_a_draw_is_a_permutation_of_its_field_and_the_models(seed: bytes, weights: dict[int, int]) -> None:
    root = hashlib.sha256(seed).hexdigest()
    order = game.draw(server_seed=seed, track="t", round_id=1, beacon="", tickets_root=root, runners=field(weights))

    assert sorted(order) == sorted(weights)
    numbers = model.words(model.key(seed, "t", 1, "", root))
    assert list(order) == model.finishing_order(list(weights.items()), numbers)


def test_nothing_is_drawn_before_there_is_a_root() -> None:
    with pytest.raises(AssertionError, match="before the lock"):
        game.draw(server_seed=b"s" * 32, track="t", round_id=1, beacon="", tickets_root="", runners=field({1: 1, 2: 1}))


@pytest.mark.parametrize(
    "changed", [{"track": "u"}, {"round_id": 2}, {"beacon": "aa"}, {"tickets_root": "bb"}, {"server_seed": b"t" * 32}]
)
def test_everything_that_is_bound_changes_the_key(changed: dict[str, Any]) -> None:
    inputs: dict[str, Any] = {
        "server_seed": b"s" * 32, "track": "t", "round_id": 1, "beacon": "", "tickets_root": "aa"
    }  # fmt: skip

    assert game.draw_key(**inputs) != game.draw_key(**(inputs | changed))
