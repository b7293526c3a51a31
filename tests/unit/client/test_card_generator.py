"""Invented races: the same from the same seed, readable as a card file, and like a real market."""

import datetime
import hashlib
import math
import statistics

import pytest
from furlong.client.card_generator import FIELDS, FIRST_WORDS, SECOND_WORDS, generate
from furlong.client.cards import priceable, read_cards
from hypothesis import given, settings
from hypothesis import strategies as st

RETURN_BPS = 9_100


def odds_of(text: str) -> list[list[float]]:
    races: dict[str, list[float]] = {}
    for row in text.splitlines()[1:]:
        cells = row.split(",")
        races.setdefault(cells[2], []).append(float(cells[7]))
    return list(races.values())


def test_the_same_seed_gives_the_same_file_on_every_machine() -> None:
    text = generate("spring", 20)
    assert text == generate("spring", 20)
    assert text != generate("autumn", 20)
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "f6bc19231737f67d2fa5d34874697ec6f2cd162838ff79a24b1c10def2d898bc"
    ), "what a seed gives is promised; a change of it needs another VERSION"


def test_a_longer_file_of_a_seed_begins_like_a_shorter_one() -> None:
    assert generate("spring", 9).startswith(generate("spring", 3))


def test_what_is_asked_for_is_made() -> None:
    text = generate("spring", 3, runners=20, venue="Mudflat Park", date=datetime.date(2027, 2, 28))
    cards = read_cards(text.encode()).cards
    assert [card.name for card in cards] == [f"Mudflat Park 2027-02-28 race {n}" for n in (1, 2, 3)]
    assert [len(card.runners) for card in cards] == [20] * 3


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=20), st.integers(1, 8), st.sampled_from([0, 2, 5, 14, 40]))
def test_every_seed_gives_a_file_that_is_imported_as_it_is(seed: str, races: int, runners: int) -> None:
    read = read_cards(generate(seed, races, runners=runners).encode())
    assert len(read.cards) == races
    assert (read.withdrawn, read.notes) == ((), ())
    for card in read.cards:
        assert len(card.runners) == runners if runners else len(card.runners) in FIELDS
        assert len({runner.name for runner in card.runners}) == len(card.runners)


def test_fields_and_odds_are_like_those_of_real_races() -> None:
    races = odds_of(generate("a long season", 900))
    sizes = [len(race) for race in races]
    spreads = [statistics.pstdev([math.log(odds) for odds in race]) for race in races]
    kept = [sum(1 / odds for odds in race) for race in races]
    favourites = [min(race) for race in races]
    assert 11.8 < statistics.mean(sizes) < 12.9
    assert 0.92 < statistics.mean(spreads) < 1.05  # a small field shows a little less than it was drawn from
    assert 1.20 < statistics.mean(kept) < 1.25
    assert 2.4 < statistics.median(favourites) < 3.8


def test_nearly_every_race_can_be_priced() -> None:
    read = read_cards(generate("a long season", 900).encode())
    assert len(priceable(read, RETURN_BPS).cards) == 900


@pytest.mark.parametrize(("races", "runners"), [(0, 0), (1_000, 0), (1, 1), (1, 41), (-1, 5)])
def test_a_number_out_of_its_range_is_refused(races: int, runners: int) -> None:
    with pytest.raises(ValueError, match="are not"):
        generate("spring", races, runners=runners)


def test_there_are_words_for_the_largest_field() -> None:
    for words in (FIRST_WORDS, SECOND_WORDS):
        assert len(set(words)) == len(words) == 40
