"""The examples of docs/rules.md are what the software pays."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from services.game.domain.order import Market
from services.game.domain.winners import winners_by
from services.persist.domain.payout import payout_minor

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
EXAMPLES = re.findall(
    r"^\| (WIN|PLACE) \| (\d) \| ([\d.]+) \| ([\d.]+) \| (\d) \| (\d) \| ([\d.]+) \|", PAGE.read_text(), re.MULTILINE
)
FIELD_MAX = 10


def hundredths(text: str) -> int:
    return int(Decimal(text) * 100)


def test_the_page_has_examples_of_both_markets() -> None:
    assert {example[0] for example in EXAMPLES} == {"WIN", "PLACE"}


@pytest.mark.parametrize("example", EXAMPLES, ids=" ".join)
def test_an_example_of_a_dead_heat_is_paid_so(example: tuple[str, ...]) -> None:
    name, places, stake, price, position, together, pays = example
    before = int(position) - 1
    after = range(before + int(together) + 1, FIELD_MAX + 1)
    positions = (*range(1, before + 1), *[int(position)] * int(together), *after)
    runner = before + 1
    places_paid = int(places) if name == "PLACE" else 0
    found = winners_by(tuple(range(1, FIELD_MAX + 1)), positions, (), places_paid)
    mine = [each for each in found if (each.market, each.runners) == (Market[name], (runner,))]

    paid_minor = sum(
        payout_minor(hundredths(stake), hundredths(price), each.stake_numerator, each.stake_denominator)
        for each in mine
    )

    assert paid_minor == hundredths(pays)
