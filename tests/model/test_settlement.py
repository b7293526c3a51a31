import pytest

from tests.model.settlement import BoughtLine, BoughtTicket, line_payout_minor, payouts_minor, refunds_minor


def line(runner: int, stake_minor: int, price_hundredths: int) -> BoughtLine:
    return BoughtLine(market="WIN", runners=(runner,), stake_minor=stake_minor, price_hundredths=price_hundredths)


@pytest.mark.parametrize(
    ("runner", "stake_minor", "price_hundredths", "result", "payout_minor"),
    [
        (3, 500, 235, [3, 1, 2], 1_175),
        (3, 1, 101, [3, 1, 2], 1),  # 1.01 is rounded down
        (3, 99, 101, [3, 1, 2], 99),  # 99.99 is rounded down
        (3, 10_000_000, 99_999, [3, 1, 2], 9_999_900_000),
        (3, 500, 235, [1, 3, 2], 0),
        (3, 500, 235, [1, 2, 3], 0),
    ],
)  # fmt: skip
def test_a_win_line_is_paid_stake_times_price_when_its_runner_is_first(
    runner: int, stake_minor: int, price_hundredths: int, result: list[int], payout_minor: int
) -> None:
    assert line_payout_minor(line(runner, stake_minor, price_hundredths), result) == payout_minor


def test_each_line_is_rounded_by_itself_before_the_ticket_is_added_up() -> None:
    ticket = BoughtTicket(ticket_id="t", account_id="a", lines=(line(1, 1, 150), line(1, 1, 150), line(2, 1, 900)))

    assert payouts_minor([ticket], [1, 2]) == {"t": 2}
    assert refunds_minor([ticket]) == {"t": 3}


def test_a_market_that_the_model_does_not_know_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="no market"):
        line_payout_minor(BoughtLine(market="PLACE", runners=(1,), stake_minor=1, price_hundredths=200), [1, 2])
