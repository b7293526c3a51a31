"""The winners of a result are the selections that pay, and no others."""

import pytest

from services.game.domain.order import Market
from services.game.domain.winners import Winner, winners


@pytest.mark.parametrize(
    ("result", "paid"),
    [
        ((3, 1, 2),      Winner(market=Market.WIN, runners=(3,))),
        ((40, 7),        Winner(market=Market.WIN, runners=(40,))),
    ],
)  # fmt: skip
def test_the_first_across_the_line_pays_win_with_the_whole_stake(result: tuple[int, ...], paid: Winner) -> None:
    assert winners(result) == (paid,)
    assert (paid.stake_numerator, paid.stake_denominator) == (1, 1)


def test_without_a_result_nobody_is_asked_who_won() -> None:
    with pytest.raises(AssertionError, match="nobody has won"):
        winners(())
