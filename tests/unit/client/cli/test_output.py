"""How amounts, prices, chances and foreign text are written."""

import json

import pytest
from furlong.client.cli.output import as_json, chance, money, plain, price
from furlong.common.v1.round_pb2 import Round


@pytest.mark.parametrize(
    ("amount_minor",        "currency", "written"),
    [
        (0,                 "EUR",      "0.00 EUR"),
        (5,                 "EUR",      "0.05 EUR"),
        (123_456,           "EUR",      "1,234.56 EUR"),
        (-5,                "EUR",      "-0.05 EUR"),
        (-123_456_789,      "EUR",      "-1,234,567.89 EUR"),
        (2**63 - 1,         "EUR",      "92,233,720,368,547,758.07 EUR"),
        (1_234,             "JPY",      "1,234 JPY"),
        (1_234,             "KWD",      "1.234 KWD"),
        (100,               "",         "1.00"),
    ],
)  # fmt: skip
def test_money_is_written_with_the_digits_of_its_currency(amount_minor: int, currency: str, written: str) -> None:
    assert money(amount_minor, currency) == written


@pytest.mark.parametrize(("hundredths", "written"), [(0, "0.00"), (101, "1.01"), (235, "2.35"), (100_000, "1000.00")])
def test_a_price_is_written_as_decimal_odds(hundredths: int, written: str) -> None:
    assert price(hundredths) == written


@pytest.mark.parametrize(
    ("weight", "total", "written"), [(1, 3, "33.3 %"), (999_999, 1_000_000, "99.9 %"), (5, 5, "100.0 %")]
)
def test_a_chance_is_rounded_down_to_a_tenth_of_a_per_cent(weight: int, total: int, written: str) -> None:
    assert chance(weight, total) == written


def test_text_of_the_service_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[2J\nb\u202ec\x07é") == "a?[2J?b?c?é"


def test_json_has_the_names_and_defaults_of_the_rest_answers() -> None:
    written = json.loads(as_json(Round(round_id=17, phase=Round.OPEN)))
    assert (written["round_id"], written["phase"], written["result"]) == ("17", "OPEN", [])
