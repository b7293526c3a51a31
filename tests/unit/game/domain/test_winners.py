"""The winners of a result are the selections that pay, and no others."""

from dataclasses import replace

import pytest

from services.game.domain.order import Market
from services.game.domain.phase import Phase
from services.game.domain.winners import Winner, winners
from tests.rounds import stored_round

SETTLED = stored_round(Phase.SETTLED).round


def win(runner: int, *, of: int = 1, refund: bool = False) -> Winner:
    return Winner(market=Market.WIN, runners=(runner,), stake_denominator=of, refund=refund)


@pytest.mark.parametrize(
    ("result", "positions", "withdrawn", "paid"),
    [
        ((4, 1, 2), (),        (),   [win(4)]),
        ((4, 1, 2), (1, 1, 3), (),   [win(4, of=2), win(1, of=2)]),
        ((4, 1, 2), (1, 1, 1), (),   [win(4, of=3), win(1, of=3), win(2, of=3)]),
        ((4, 1, 2), (1, 2, 2), (),   [win(4)]),
        ((4, 1, 2), (1, 0, 0), (),   [win(4)]),
        ((2, 1),    (),        (4,), [win(2), win(4, refund=True)]),
        ((2, 1),    (1, 1),    (4,), [win(2, of=2), win(1, of=2), win(4, refund=True)]),
    ],
)  # fmt: skip
def test_who_is_first_pays_win_and_who_is_withdrawn_gives_the_stake_back(
    result: tuple[int, ...], positions: tuple[int, ...], withdrawn: tuple[int, ...], paid: list[Winner]
) -> None:
    round_ = replace(SETTLED, result=result, positions=positions, withdrawn=withdrawn)
    assert list(winners(round_)) == paid


def test_without_a_result_nobody_is_asked_who_won() -> None:
    with pytest.raises(AssertionError, match="nobody has won"):
        winners(stored_round(Phase.LOCKED).round)
