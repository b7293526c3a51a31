"""The table of prices to PLACE beside real dividends, on races that are invented here."""

import pytest

from benchmarks.place_prices import Row, banded, entries, table

COLUMNS = ("date", "venue", "race_no", "horse_no", "win_odds", "place", "status")


def race(number: int, runners: str) -> list[Row]:
    """A race whose runners are written as odds/place; x instead of the odds is one that was withdrawn."""
    rows: list[Row] = []
    for horse_no, runner in enumerate(runners.split(), start=1):
        odds, place = runner.split("/")
        is_withdrawn = odds == "x"
        status = "WITHDRAWN" if is_withdrawn else "FINISHED" if place else "DID_NOT_FINISH"
        told = ("2025-09-07", "ST", str(number), str(horse_no), "" if is_withdrawn else odds, place, status)
        rows.append(dict(zip(COLUMNS, told, strict=True)))
    return rows


def dividend(number: int, combination: str, hkd: str, pool: str = "PLACE") -> Row:
    ids = {"date": "2025-09-07", "venue": "ST", "race_no": str(number)}
    return {**ids, "pool": pool, "combination": combination, "dividend_hkd_per_10": hkd}


EVEN = race(1, "8/1 8/2 8/3 8/4 8/5 8/6 8/7 8/")


def test_equal_runners_have_equal_chances_and_prices() -> None:
    found = list(entries(EVEN, [dividend(1, "1", "25.50"), dividend(1, "1", "60", pool="WIN")], 8_000))

    assert {(entry.chance, entry.price) for entry in found} == {(3 / 8, 2.13)}
    assert [entry.is_placed for entry in found] == [True] * 3 + [False] * 5
    assert [entry.dividend for entry in found] == [2.55] + [None] * 7


def test_withdrawn_runners_are_left_out_and_small_fields_with_them() -> None:
    eight = race(1, "8/1 x/ 8/2 8/3 8/4 8/5 8/6 8/7 8/8")
    seven = race(2, "8/1 x/ 8/2 8/3 8/4 8/5 8/6 8/7")

    assert len(list(entries([*eight, *seven], [], 8_000))) == 8


def test_a_band_sums_up_what_was_expected_and_what_came_true() -> None:
    [band] = banded(entries(EVEN, [dividend(1, "1", "25.50")], 8_000))

    assert (band.name, band.runners, band.priced, band.placed) == ("8 to 13", 8, 8, 3)
    assert band.bias_pp == pytest.approx(0)
    assert (band.prices, band.dividends) == ([2.13], [2.55])
    assert list(table([band]))[-1] == "| 8 to 13 | 8 | 37.5 | 37.5 | +0.0 | 8 | 79.9 | 1 | 2.13 | 2.55 |"


def test_a_runner_without_a_price_counts_for_the_bias_alone() -> None:
    bands = banded(entries(race(1, "1.1/4 90/1 90/2 90/3 90/5 90/6 90/7 90/8"), [dividend(1, "1", "10.1")], 8_000))

    assert [band.name for band in bands] == ["below 2", "51 and above"]
    assert (bands[0].priced, bands[0].prices, bands[0].bias_pp > 90) == (0, [], True)
    assert list(table(bands))[2].endswith("| 0 |  | 0 |  |  |")


def test_odds_on_the_border_of_two_bands_are_in_the_upper_one() -> None:
    bands = banded(entries(race(1, "3/1 2.9/2 8/3 8/4 8/5 8/6 8/7 8/8"), [], 8_000))

    assert [(band.name, band.runners) for band in bands] == [("2 to 3", 1), ("3 to 5", 1), ("8 to 13", 6)]
