import pytest

from tests.model.settlement import (
    BoughtLine,
    BoughtTicket,
    Finish,
    line_payout_minor,
    payouts_minor,
    refunds_minor,
)


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
        line_payout_minor(BoughtLine(market="SHOW", runners=(1,), stake_minor=1, price_hundredths=200), [1, 2])


TIED = [
    # market, stake_minor, price_hundredths, who shared the positions, places, payout_minor of a line on runner 1
    # examples out of the rules of bookmakers; 26.66 of Smarkets is 26.67 where halves are rounded up
    ("WIN",   2_000, 400, "1,2,3 4",                        0,  2_666),  # Smarkets: 20.00 at 4.0, three tie
    ("PLACE", 6_000, 600, "1,2,3,4 5",                      2,  18_000),  # Betdaq: 60.00 at 6.0, four for two places
    ("WIN",   5_000, 250, "1,2 3",                          0,  6_250),  # DraftKings: 50 at 2.5, two tie
    ("PLACE", 5_000, 300, "5 6 7 8 9 10 11 1,2,3,4,12,13",  10, 7_500),  # top 10: 50 at 3.0, six for three places
    ("PLACE", 2_000, 500, "5 6 1,2",                        3,  5_000),  # DAZN: 20 each-way at 16/1, a quarter of it
    ("PLACE", 2_000, 500, "5 6 1 2",                        3,  10_000),  # and untied
    ("PLACE", 2_000, 500, "5 6 2 1",                        3,  0),
    ("PLACE", 2_000, 500, "1,2 5",                          2,  10_000),
]  # fmt: skip


@pytest.mark.parametrize(("market", "stake_minor", "price_hundredths", "groups", "places", "payout_minor"), TIED)
def test_who_shares_a_position_wins_with_a_part_of_the_stake(
    market: str, stake_minor: int, price_hundredths: int, groups: str, places: int, payout_minor: int
) -> None:
    finish = Finish(groups=tuple(tuple(map(int, group.split(","))) for group in groups.split()), places=places)
    bought = BoughtLine(market=market, runners=(1,), stake_minor=stake_minor, price_hundredths=price_hundredths)

    assert line_payout_minor(bought, finish) == payout_minor


def test_a_ticket_wins_no_more_than_the_greatest_payout_and_gets_its_stakes_back_beside_it() -> None:
    finish = Finish(groups=((1,), (2,)), withdrawn=frozenset((3,)), greatest_minor=150)
    tickets = [
        BoughtTicket(ticket_id=name, account_id="a", lines=tuple(line(runner, 100, 200) for runner in runners))
        for name, runners in (("wins", [1]), ("both", [1, 3]), ("back", [3]), ("lost", [2]))
    ]

    assert payouts_minor(tickets, finish) == {"wins": 150, "both": 250, "back": 100, "lost": 0}
