import pytest
from furlong.client.cli.bars import bar


@pytest.mark.parametrize(
    ("amounts", "whole", "cells"),
    [
        ((50, 50), 100, [5, 5]),
        ((99, 1), 100, [9, 1]),  # what is there at all is seen
        ((998, 1, 1), 1_000, [8, 1, 1]),
        ((1, 1, 1), 3, [4, 3, 3]),
        ((0, 10), 10, [0, 10]),
        ((25,), 100, [2]),  # the rest of the whole is left
        ((100,), 100, [10]),
        ((0,), 0, [0]),
    ],
)
def test_a_bar_is_as_long_as_its_cells_and_shows_all_that_there_is(
    amounts: tuple[int, ...], whole: int, cells: list[int]
) -> None:
    styles = ("red", "green", "blue")
    drawn = bar([(amount, styles[n]) for n, amount in enumerate(amounts)], 10, whole)
    assert len(drawn) == 10
    widths = dict.fromkeys(styles, 0) | {str(part.style): part.end - part.start for part in drawn.spans}
    assert [widths[style] for style in styles[: len(amounts)]] == cells
