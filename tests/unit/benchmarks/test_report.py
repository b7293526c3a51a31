"""The format that people and machines read a benchmark in."""

import json

import pytest

from benchmarks.report import NOT_MEASURED, Figure, Spread, last_line, p99, ratios, table

PLACING = Figure(title="direct", unit="/s", key="unary_per_s", spread=Spread.of([1_800.4, 2_000.0, 1_900.0]))
FOR_PEOPLE = Figure(title="echo", unit="/s", spread=Spread.of([4_000.0]), note="bare grpc.aio")
MISSING = Figure(title="clone", unit="s", key="seconds_from_clone", spread=None, note="no package index")


def test_the_last_line_is_one_json_object_with_the_medians() -> None:
    line = last_line("tickets", [PLACING, FOR_PEOPLE])

    assert "\n" not in line
    assert json.loads(line) == {"benchmark": "tickets", "figures": {"unary_per_s": 1_900.0}}


def test_a_figure_that_was_not_measured_is_in_the_table_with_its_reason_and_not_in_the_json() -> None:
    assert json.loads(last_line("startup", [MISSING]))["figures"] == {}

    line = table("startup", [MISSING]).splitlines()[-1]
    assert NOT_MEASURED in line
    assert line.endswith("no package index")


def test_the_table_aligns_medians_and_how_far_the_rounds_lay_apart() -> None:
    assert table("tickets", [PLACING, FOR_PEOPLE]).splitlines() == [
        "tickets         median     lowest    highest     rounds",
        "-------------------------------------------------------",
        "direct [/s]      1,900      1,800      2,000          3",
        "echo [/s]        4,000      4,000      4,000          1  bare grpc.aio",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.51249, "0.512"),
        (7.0, "7"),
        (14.96, "15.0"),
        (249.6, "250"),
        (8_412.3, "8,412"),
        (1_000_000.0, "1,000,000"),
    ],
)
def test_a_number_is_shown_with_as_many_decimals_as_a_person_can_use(value: float, shown: str) -> None:
    row = table("any", [Figure(title="any", spread=Spread.of([value]))]).splitlines()[-1]

    assert row.split() == ["any", shown, shown, shown, "1"]


def test_a_ratio_is_taken_pair_by_pair_so_that_a_slow_minute_falls_on_both() -> None:
    assert ratios([2_000.0, 1_000.0], [4_000.0, 2_000.0]) == [0.5, 0.5]


def test_ratios_of_unequal_series_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], 5.0),
        ([2.0, 1.0], 2.0),
        ([float(n) for n in range(1, 101)], 99.0),
        ([float(n) for n in range(200, 0, -1)], 198.0),
    ],
)
def test_the_p99_is_the_smallest_value_that_99_of_100_do_not_exceed(values: list[float], expected: float) -> None:
    assert p99(values) == expected


def test_a_quantity_that_was_never_measured_has_no_spread() -> None:
    with pytest.raises(ValueError, match="never measured"):
        Spread.of([])
