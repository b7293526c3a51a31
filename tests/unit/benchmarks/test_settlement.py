"""The figures of the settlement benchmark come from the right calls."""

import pytest

from benchmarks.settlement import Settlement, split
from benchmarks.steady import Call


@pytest.mark.parametrize(
    ("began_s", "part"),
    [
        (0.0,  "warm-up"),
        (1.99, "warm-up"),
        (2.0,  "quiet"),
        (9.99, "quiet"),
        (10.0, "beside"),
        (14.9, "beside"),
        (15.0, "quiet"),
        (20.0, "quiet"),
    ],
)  # fmt: skip
def test_a_call_counts_where_it_began(began_s: float, part: str) -> None:
    calls = [Call(began_s=0.0, took_ms=1.0), Call(began_s=began_s, took_ms=7.0)]
    quiet, beside = split(calls, Settlement(round_id=1, began_s=10.0, ended_s=15.0))

    assert {"quiet": quiet, "beside": beside}.get(part, [7.0]) == [7.0]
    assert len(quiet) + len(beside) == (part != "warm-up")


def test_a_settlement_lasts_from_its_decision_to_its_last_chunk() -> None:
    assert Settlement(round_id=1, began_s=10.0, ended_s=12.5).seconds == 2.5
