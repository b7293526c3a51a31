"""Race cards from a file, by the command line: what is wrong with a file is told with line and column."""

from pathlib import Path

import pytest

from deploy.local.stack import LocalStack
from tests.e2e.books import Books
from tests.e2e.command import furlong
from tests.e2e.racing import SLOW, new_track

HEADER = "date,venue,race_no,distance_m,horse_no,horse_code,draw,win_odds,place,dead_heat,status,finish_time"
GOOD = [
    "2025-09-07,ST,1,1200,1,A001,1,2.5,1,0,FINISHED,1:09.18",
    "2025-09-07,ST,1,1200,2,A002,2,3.5,2,0,FINISHED,1:09.27",
    "2025-09-07,ST,1,1200,3,A003,3,6.5,3,0,FINISHED,1:09.30",
]
WITHDRAWN = "2025-09-07,ST,1,1200,4,A004,,,,,WITHDRAWN,"


def card_file(folder: Path, header: str, *lines: str) -> str:
    file = folder / "cards.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return str(file)


@pytest.mark.parametrize(
    ("header", "lines", "words"),
    [
        (HEADER.replace("win_odds,", ""), GOOD,                              ["line 1", "win_odds"]),
        (HEADER, [*GOOD[:2], GOOD[2].replace("6.5", "evens")],               ["line 4", "win_odds"]),
        (HEADER, [*GOOD[:2], GOOD[2].replace(",1200,", ",far,")],            ["line 4", "distance_m"]),
        (HEADER, [GOOD[0], GOOD[1].replace(",2,A002", ",two,A002"), GOOD[2]], ["line 3", "horse_no"]),
        (HEADER, [*GOOD[:2], GOOD[2].replace("6.5", "")],                    ["line 4", "win_odds"]),
        (HEADER, [GOOD[0], WITHDRAWN],                                       ["line"]),
        (HEADER, [],                                                         ["line"]),
    ],
    ids=["missing column", "odds in words", "distance in words", "number in words", "no odds", "one runner left",
         "no lines"],
)  # fmt: skip
async def test_a_wrong_file_is_refused_with_line_and_column_and_nothing_is_imported(
    stack: LocalStack, books: Books, bare_track: str, tmp_path: Path, header: str, lines: list[str], words: list[str]
) -> None:
    before = await books.cards()

    done = furlong(stack, "cards", "import", card_file(tmp_path, header, *lines), "--track", bare_track, exit_code=1)

    assert all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert await books.cards() == before


async def test_a_withdrawn_runner_is_left_out_and_reported_with_line_and_column(
    stack: LocalStack, books: Books, tmp_path: Path
) -> None:
    track = await new_track(stack, "withdrawn", SLOW, cards=())

    done = furlong(stack, "cards", "import", card_file(tmp_path, HEADER, *GOOD, WITHDRAWN), "--track", track)

    told = done.stdout + done.stderr
    assert "line 5" in told
    assert "status" in told or "win_odds" in told
    assert await books.runners_of_cards(track) == [[1, 2, 3]]


def test_a_player_imports_no_cards(stack: LocalStack, bare_track: str, tmp_path: Path) -> None:
    file = card_file(tmp_path, HEADER, *GOOD)
    player = stack.token(roles=["PLAYER"], accounts=["*"])

    done = furlong(stack, "cards", "import", file, "--track", bare_track, token=player, exit_code=2)

    assert "ROLE_MISSING" in done.stdout + done.stderr
