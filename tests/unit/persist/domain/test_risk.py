"""The limits on the risk of a round, as tables: an order a row, the last column which limit refuses it.

lines   market, runner and stake of each line, all at a price of 2.00, so that a line pays twice its stake
refused - where the order is taken, else "selection", "loss" or "count"
"""

from collections.abc import Mapping

import pytest

from services.persist.domain.bounds import ROUND_PAYOUT_MINOR_MAX
from services.persist.domain.risk import Risk, Selection, Sold
from services.persist.domain.round import NOTHING_SOLD, Limits, Totals
from services.persist.domain.ticket import Line, Order

PRICE = 200

WORDS = {"selection": "the selection could", "loss": "the house could", "count": "as much risk"}


def order(lines: str) -> Order:
    """An order whose lines are written as market/runner/stake, with commas in between."""
    parts = [[int(number) for number in line.split("/")] for line in lines.split(",")]
    return Order(
        request_id="",
        account_id="",
        lines=[Line(market, bytes([runner]), stake, PRICE) for market, runner, stake in parts],
        stake_minor=sum(stake for _, _, stake in parts),
        content_hash=b"",
        refusal=None,
        refusal_reason="",
    )


def check(risk: Risk, table: str) -> None:
    for row in table.strip().splitlines():
        lines, wanted = row.split()
        asked = order(lines)
        words = risk.exceeded_by(asked)
        assert WORDS[wanted] in words if words else wanted == "-", (row, words)
        if not words:
            risk.take(asked)


def risk(
    selection_payout_max_minor: int = 0,
    round_loss_max_minor: int = 0,
    totals: Totals = NOTHING_SOLD,
    sold: Mapping[Selection, Sold] | None = None,
) -> Risk:
    limits = Limits(
        stake_min_minor=1,
        stake_max_minor=10_000_000,
        selection_payout_max_minor=selection_payout_max_minor,
        round_loss_max_minor=round_loss_max_minor,
    )
    return Risk(totals, limits, sold or {})


def test_without_limits_a_round_takes_what_comes() -> None:
    check(risk(), "1/1/9999999 -")


def test_a_selection_pays_no_more_than_its_limit() -> None:
    check(
        risk(selection_payout_max_minor=100),
        """
        1/1/30          -
        1/1/21          selection
        1/1/20          -
        1/1/1           selection
        1/2/50          -
        2/1/50          -
        1/3/25,1/3/26   selection
        1/3/25,1/3/25   -
        """,
    )


def test_the_house_loses_no_more_than_its_limit_over_all_markets() -> None:
    check(
        risk(round_loss_max_minor=100),
        """
        1/1/100  -
        1/1/1    loss
        1/2/50   -
        1/1/50   -
        2/7/1    loss
        """,
    )


def test_what_was_sold_before_counts() -> None:
    sold = {(1, b"\x01"): Sold(1, 40, 80), (1, b"\x02"): Sold(1, 10, 20)}
    totals = Totals(tickets=2, stake_minor=50, payout_minor_max=100)
    check(
        risk(selection_payout_max_minor=90, totals=totals, sold=sold),
        """
        1/1/6  selection
        1/1/5  -
        1/2/6  -
        """,
    )
    check(
        risk(round_loss_max_minor=32, totals=totals, sold=sold),
        """
        1/1/3  loss
        1/1/2  -
        1/2/1  -
        """,
    )


def test_an_order_that_makes_the_loss_no_greater_is_taken_above_the_limit_too() -> None:
    sold = {(1, b"\x01"): Sold(1, 100, 200)}
    totals = Totals(tickets=1, stake_minor=100, payout_minor_max=200)
    check(
        risk(round_loss_max_minor=50, totals=totals, sold=sold),
        """
        1/2/20  -
        1/1/1   loss
        """,
    )


def test_a_refused_order_takes_no_risk() -> None:
    limited = risk(selection_payout_max_minor=100)
    check(limited, "1/1/60 selection\n1/1/50 -")
    assert limited.taken == {(1, b"\x01"): Sold(1, 50, 100)}


@pytest.mark.parametrize(("left_minor", "wanted"), [(200, "-"), (199, "count")])
def test_a_round_takes_no_more_than_can_be_counted(left_minor: int, wanted: str) -> None:
    totals = Totals(tickets=1, stake_minor=1, payout_minor_max=ROUND_PAYOUT_MINOR_MAX - left_minor)
    check(risk(totals=totals), f"1/1/100 {wanted}")


def test_three_selections_to_place_may_win_at_once_beside_the_one_to_win() -> None:
    check(
        risk(round_loss_max_minor=100),
        """
        2/1/40          -
        2/2/40          -
        2/3/10          -
        2/4/10          -
        1/1/20          -
        1/1/1           loss
        2/1/1           loss
        1/2/20          -
        """,
    )
