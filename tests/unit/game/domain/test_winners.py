"""The winners of a result are the selections that pay, and no others."""

import pytest

from services.game.domain.order import Market
from services.game.domain.phase import Phase
from services.game.domain.winners import Winner, winners, winners_by
from tests.rounds import stored_round

TABLE = [
    # result    positions    withdrawn places  winners: market, runner and the part of the stake, * gives it back
    ("3 1 2",   "",          "",       0, "W3"),
    ("40 7",    "",          "",       0, "W40"),
    ("3 1 2 4 5", "",        "",       2, "W3 P3 P1"),
    ("8 1 2 4 5 6 7 3", "",  "",       3, "W8 P8 P1 P2"),
    # dead heats: the stake is parted where there are fewer places left than runners that share them
    ("3 1 2",   "1 1 3",     "",       0, "W3:1/2 W1:1/2"),
    ("3 1 2",   "1 1 1",     "",       0, "W3:1/3 W1:1/3 W2:1/3"),
    ("3 1 2 4 5", "1 1 3 4 5", "",     2, "W3:1/2 W1:1/2 P3 P1"),
    ("3 1 2 4 5", "1 2 2 4 5", "",     2, "W3 P3 P1:1/2 P2:1/2"),
    ("3 1 2 4 5", "1 1 1 4 5", "",     2, "W3:1/3 W1:1/3 W2:1/3 P3:2/3 P1:2/3 P2:2/3"),
    ("1 2 3 4 5 6 7 8", "1 2 3 3 5 6 7 8", "", 3, "W1 P1 P2 P3:1/2 P4:1/2"),
    ("1 2 3 4 5 6 7 8", "1 2 2 2 5 6 7 8", "", 3, "W1 P1 P2:2/3 P3:2/3 P4:2/3"),
    ("1 2 3 4 5 6 7 8", "1 1 1 4 4 6 7 8", "", 3, "W1:1/3 W2:1/3 W3:1/3 P1 P2 P3"),
    # who did not finish wins nothing, even where too few did
    ("3 1 2",   "1 0 0",     "",       2, "W3 P3"),
    ("3 1 2",   "0 0 0",     "",       2, ""),
    # who was withdrawn has the stake back in every market
    ("3 1",     "",          "2",      0, "W3 W2*"),
    ("3 1 4",   "",          "2 5",    2, "W3 W2* W5* P3 P1 P2* P5*"),
    ("3 1 4",   "1 1 3",     "2",      2, "W3:1/2 W1:1/2 W2* P3 P1 P2*"),
]  # fmt: skip


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split())


def told(winner: Winner) -> str:
    part = f"{winner.stake_numerator}/{winner.stake_denominator}"
    assert not winner.refund or part == "1/1", "a stake is given back whole"
    [runner] = winner.runners
    return winner.market.name[0] + str(runner) + ("*" if winner.refund else f":{part}").replace(":1/1", "")


@pytest.mark.parametrize(("result", "positions", "withdrawn", "places", "paid"), TABLE)
def test_a_result_pays_these_selections_with_these_parts_of_the_stake(
    result: str, positions: str, withdrawn: str, places: int, paid: str
) -> None:
    found = winners_by(numbers(result), numbers(positions), numbers(withdrawn), places)

    assert " ".join(map(told, found)) == paid


def test_the_winners_of_a_round_are_those_of_its_result() -> None:
    round_ = stored_round(Phase.FINISHED).round

    assert winners(round_) == (Winner(market=Market.WIN, runners=round_.result[:1]),)


def test_without_a_result_nobody_is_asked_who_won() -> None:
    with pytest.raises(AssertionError, match="nobody has won"):
        winners_by((), (), (), 0)
