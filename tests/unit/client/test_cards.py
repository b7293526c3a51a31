"""Card files: what makes a card, what is put right with a note, and what is refused by line and column."""

import contextlib
from fractions import Fraction
from pathlib import Path

import pytest
from furlong.client import cards
from furlong.common.v1.round_pb2 import RaceCard, Runner
from furlong.game.v1.track_service_pb2 import ImportRaceCardsRequest
from hypothesis import given
from hypothesis import strategies as st

HEADER = "date,venue,race_no,distance_m,horse_no,horse_code,draw,win_odds,place,dead_heat,status,finish_time"
RACE = [
    "2025-09-07,ST,1,1200,12,E413,14,6.5,1,0,FINISHED,1:09.18",
    "2025-09-07,ST,1,1200,9,H108,10,3.5,2,0,FINISHED,1:09.27",
    "2025-09-07,ST,1,1200,14,H144,13,23,3,0,FINISHED,1:09.34",
]
FOURTH = ["2025-09-07", "ST", "1", "1200", "4", "K028", "7", "10", "4", "0", "FINISHED", "1:09.35"]
REAL_DATA = Path(__file__).parents[4] / "shared" / "data" / "hk_runners.csv"


def file(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def row(**cells: str) -> str:
    """A fourth runner of RACE with some of its cells changed."""
    return ",".join({**dict(zip(HEADER.split(","), FOURTH, strict=True)), **cells}.values())


def problems(content: bytes) -> list[str]:
    with pytest.raises(cards.CardFileRefused) as refused:
        cards.read_cards(content)
    return [str(problem) for problem in refused.value.problems]


def numbers(card: RaceCard) -> list[int]:
    return [runner.runner for runner in card.runners]


def test_a_race_becomes_a_card_with_its_runners_by_number() -> None:
    (card,) = cards.read_cards(file(*RACE)).cards
    assert (card.name, card.distance_m, card.card_id) == ("ST 2025-09-07 race 1", 1200, 0)
    assert [(r.runner, r.name) for r in card.runners] == [(9, "H108"), (12, "E413"), (14, "H144")]
    assert all(r.win_price_hundredths == 0 for r in card.runners)


def test_the_line_of_every_runner_is_known() -> None:
    assert cards.read_cards(file(*RACE)).lines == ({12: 2, 9: 3, 14: 4},)


def test_weights_are_shares_of_the_scale_in_proportion_to_one_over_odds() -> None:
    # 1/6.5 : 1/3.5 : 1/23 = 161 : 299 : 49/2, and so on; by hand: 2/13, 2/7, 1/23 over their sum 1011/2093.
    weights = cards.weights_from_odds([Fraction("6.5"), Fraction("3.5"), Fraction(23)])
    total = Fraction(2, 13) + Fraction(2, 7) + Fraction(1, 23)
    assert weights == [int(1_000_000 * share / total) for share in (Fraction(2, 13), Fraction(2, 7), Fraction(1, 23))]
    assert weights == [318496, 591493, 90009]


@pytest.mark.parametrize(
    ("odds",                     "weights"),
    [
        (["2", "2"],             [500_000, 500_000]),
        (["2.0", "4.00"],        [666_666, 333_333]),
        (["1", "1"],             [500_000, 500_000]),
        (["3", "3", "3"],        [333_333, 333_333, 333_333]),
        (["1", "10000"],         [999_900, 99]),
        (["1"] * 39 + ["10000"], [25_640] * 39 + [2]),
    ],
)  # fmt: skip
def test_odds_give_these_weights(odds: list[str], weights: list[int]) -> None:
    assert cards.weights_from_odds([Fraction(text) for text in odds]) == weights


@given(st.lists(st.decimals(1, 10_000, places=2), min_size=2, max_size=40))
def test_weights_keep_the_order_of_chances_and_the_scale(odds: list[object]) -> None:
    prices = [Fraction(str(price)) for price in odds]
    weights = cards.weights_from_odds(prices)
    assert all(weight >= 1 for weight in weights)
    assert cards.WEIGHT_SCALE - len(weights) <= sum(weights) <= cards.WEIGHT_SCALE + len(weights)
    by_odds = [weight for _, weight in sorted(zip(prices, weights, strict=True), reverse=True)]
    assert by_odds == sorted(weights)


@pytest.mark.parametrize(
    "more",
    [
        row(place="1", dead_heat="1"),
        row(place="", status="DID_NOT_FINISH", finish_time=""),
        row(place="", status="DISQUALIFIED"),
        row(place="", status="UNKNOWN", finish_time="", draw="---"),
        row(win_odds="1"),
        row(win_odds=" 10.50 "),
        '2025-09-07,"ST",01,1200,4,"K028",7,10,4,0,FINISHED,1:09.35',
    ],
)
def test_a_runner_that_took_part_is_taken_however_it_ended(more: str) -> None:
    read = cards.read_cards(file(*RACE, more))
    assert [numbers(card) for card in read.cards] == [[4, 9, 12, 14]]
    assert (read.withdrawn, read.notes) == ((), ())


@pytest.mark.parametrize(
    ("withdrawn", "told"),
    [
        (row(win_odds="", status="WITHDRAWN"), "runner 4 (K028)"),
        (row(win_odds="7.5", status="WITHDRAWN"), "runner 4 (K028)"),
        (row(win_odds="", status="WITHDRAWN", horse_no=""), "a runner without a number (K028)"),
        (row(win_odds="", status="WITHDRAWN", horse_no="9"), "runner 9 (K028)"),
    ],
)
def test_a_withdrawn_runner_is_left_out_and_named_with_line_and_column(withdrawn: str, told: str) -> None:
    read = cards.read_cards(file(*RACE, withdrawn))
    assert [numbers(card) for card in read.cards] == [[9, 12, 14]]
    assert [str(finding) for finding in read.withdrawn] == [
        f"line 5, column status: {told} of ST 2025-09-07 race 1 is withdrawn: left out"
    ]


def test_a_race_without_a_distance_says_that_it_is_not_known() -> None:
    read = cards.read_cards(file(*(line.replace(",1200,", ",,") for line in RACE)))
    assert read.cards[0].distance_m == cards.DISTANCE_M_UNKNOWN
    assert [str(note) for note in read.notes] == [
        "line 2, column distance_m: ST 2025-09-07 race 1 has no distance: the card says that it is not known"
    ]


def test_a_distance_that_one_row_tells_is_the_distance_of_the_race() -> None:
    read = cards.read_cards(file(RACE[0].replace(",1200,", ",,"), *RACE[1:]))
    assert (read.cards[0].distance_m, read.notes) == (1200, ())


def test_the_name_column_gives_runners_their_names() -> None:
    header = "horse_name,status,win_odds,horse_code,horse_no,distance_m,race_no,venue,date"
    read = cards.read_cards(
        file(
            "Copper Lantern,FINISHED,2.5,S101,1,1000,1,Saltmarsh Quay,2026-05-02",
            ",FINISHED,4,S102,2,1000,1,Saltmarsh Quay,2026-05-02",
            header=header,
        )
    )
    assert [runner.name for runner in read.cards[0].runners] == ["Copper Lantern", "S102"]
    assert read.cards[0].name == "Saltmarsh Quay 2026-05-02 race 1"


def test_rows_of_one_race_may_lie_apart() -> None:
    other = [line.replace(",ST,1,", ",HV,1,") for line in RACE[:2]]
    read = cards.read_cards(file(RACE[0], *other, *RACE[1:]))
    assert [numbers(card) for card in read.cards] == [[9, 12, 14], [9, 12]]


def test_a_byte_order_mark_carriage_returns_and_blank_lines_do_no_harm() -> None:
    content = b"\xef\xbb\xbf" + file(RACE[0], "", *RACE[1:]).replace(b"\n", b"\r\n")
    assert len(cards.read_cards(content).cards) == 1


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (row(win_odds=""),             "line 5, column win_odds: empty, and the runner is not withdrawn"),
        (row(win_odds="-3"),           "line 5, column win_odds: '-3': not decimal odds such as 6.5, from 1 to 10000"),
        (row(win_odds="0"),            "line 5, column win_odds: '0': not decimal odds"),
        (row(win_odds="0.99"),         "line 5, column win_odds: '0.99': not decimal odds"),
        (row(win_odds="10001"),        "line 5, column win_odds: '10001': not decimal odds"),
        (row(win_odds="evens"),        "line 5, column win_odds: 'evens': not decimal odds"),
        (row(win_odds="7/2"),          "line 5, column win_odds: '7/2': not decimal odds"),
        (row(win_odds="1e9"),          "line 5, column win_odds: '1e9': not decimal odds"),
        (row(win_odds="NaN"),          "line 5, column win_odds: 'NaN': not decimal odds"),
        (row(win_odds="٣"),            "line 5, column win_odds: '٣': not decimal odds"),
        (row(horse_no=""),             "line 5, column horse_no: '': not a whole number from 1 to 40"),
        (row(horse_no="0"),            "line 5, column horse_no: '0': not a whole number from 1 to 40"),
        (row(horse_no="41"),           "line 5, column horse_no: '41': not a whole number from 1 to 40"),
        (row(horse_no="4.0"),          "line 5, column horse_no: '4.0': not a whole number"),
        (row(horse_no="9"),            "line 5, column horse_no: 9 already runs in this race, see line 3"),
        (row(horse_no="x", status="WITHDRAWN"), "line 5, column horse_no: 'x': not a whole number"),
        (row(horse_code=""),           "line 5, column horse_code: empty"),
        (row(horse_code="K\x1b[31m"),  "line 5, column horse_code: 'K\\x1b[31m': not printable text"),
        (row(horse_code="K" * 81),     "line 5, column horse_code: '" + "K" * 40 + "...': not printable text"),
        (row(venue=""),                "line 5, column venue: empty"),
        (row(date="07.09.2025"),       "line 5, column date: '07.09.2025': not a date such as 2026-05-31"),
        (row(date="2025-06-31"),       "line 5, column date: '2025-06-31': not a date"),
        (row(date=""),                 "line 5, column date: '': not a date"),
        (row(race_no="one"),           "line 5, column race_no: 'one': not a whole number from 1 to 999"),
        (row(distance_m="1 mile"),     "line 5, column distance_m: '1 mile': not a whole number from 100 to 10000"),
        (row(distance_m="99"),         "line 5, column distance_m: '99': not a whole number"),
        (row(distance_m="1400"),       "line 5, column distance_m: 1400, but a line above says 1200 for this race"),
        (row(status="finished"),       "line 5, column status: 'finished': not one of FINISHED, WITHDRAWN"),
        (row(status=""),               "line 5, column status: '': not one of FINISHED"),
        ("2025-09-07,ST,1",            "line 5: 3 fields, but the header names 12"),
        (row() + ",more",              "line 5: 13 fields, but the header names 12"),
        ('2025-09-07,"ST',             "line 5: not CSV: unexpected end of data"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_used_is_refused_by_line_and_column(more: str, problem: str) -> None:
    (found,) = problems(file(*RACE, more))
    assert found.startswith(problem)


@pytest.mark.parametrize("column", cards.COLUMNS_NEEDED)
def test_a_missing_column_is_named(column: str) -> None:
    header = HEADER.replace(column, "other")
    assert problems(file(*RACE, header=header)) == [f"line 1, column {column}: the file has no such column"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"",                                     "the file is empty"),
        (b"\xef\xbb\xbf",                         "the file is empty"),
        (file(),                                  "line 1: there is no race below the header"),
        (file(*RACE, header=HEADER + ",status"),  "line 1, column status: the file has this column more than once"),
        (file(*RACE) + b" " * cards.FILE_BYTES_MAX, "the file is larger than 8388608 bytes"),
        (file(*RACE, row(horse_code="M\xfcller")).decode().encode("latin-1"),
         "line 5, column horse_code: byte 0xfc is not UTF-8: save the file as UTF-8"),
        (file(*RACE).decode().encode("utf-16"),   "line 1: byte 0xff is not UTF-8"),
        (file(RACE[0]),                           "line 2, column status: ST 2025-09-07 race 1 keeps 1 of the 2"),
        (file(*(line.replace("FINISHED", "WITHDRAWN") for line in RACE)),
                                                  "line 2, column status: ST 2025-09-07 race 1 keeps 0 of the 2"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(content: bytes, problem: str) -> None:
    (found,) = problems(content)
    assert found.startswith(problem)


def test_another_separator_is_guessed_at() -> None:
    found = problems(file(*RACE).replace(b",", b";"))
    assert found[0] == "line 1, column date: the file has no such column; is the file separated by commas?"


def test_all_problems_are_told_at_once_up_to_a_bound() -> None:
    assert len(problems(file(*RACE, row(win_odds="x"), row(horse_no="x")))) == 2
    assert len(problems(file(*RACE, *[row(win_odds="x")] * 100))) == cards.PROBLEMS_MAX


def test_a_race_that_looks_short_only_because_of_a_bad_row_is_not_told() -> None:
    assert len(problems(file(RACE[0], row(win_odds="x")))) == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for bytes_of_file in (content, file(*RACE) + content):
        with contextlib.suppress(cards.CardFileRefused):
            cards.read_cards(bytes_of_file)


@pytest.mark.parametrize(
    ("weights",         "return_bps", "kept"),
    [
        ([1, 1],        9_100,        True),   # 1.82
        ([9_009, 991],  9_100,        True),   # 1.0101
        ([9_010, 990],  9_100,        False),  # 1.00998
        ([1_000, 1],    9_999,        False),
        ([980, 10],     9_999,        True),   # 1.0101
        ([1, 1],        5_000,        False),  # 1.00
    ],
)  # fmt: skip
def test_a_race_without_prices_is_left_out_with_a_note(weights: list[int], return_bps: int, kept: bool) -> None:
    card = RaceCard(name="short", runners=[Runner(runner=n, name="X", weight=w) for n, w in enumerate(weights, 1)])
    read = cards.CardFile(cards=(card,), lines=({1: 2, 2: 3},), withdrawn=(), notes=())
    priced = cards.priceable(read, return_bps)
    assert (len(priced.cards), len(priced.lines), len(priced.notes)) == ((1, 1, 0) if kept else (0, 0, 1))
    assert all(str(note).startswith("line 2, column win_odds: runner 1 (X) of short is so") for note in priced.notes)


def test_the_shipped_cards_are_clean() -> None:
    read = cards.read_cards(cards.shipped_cards())
    assert (len(read.cards), read.withdrawn, read.notes) == (12, (), ())
    assert cards.priceable(read, return_bps=8_000) == read
    assert all(6 <= len(card.runners) <= 12 for card in read.cards)
    assert len({card.name.split(" 20")[0] for card in read.cards}) == 2
    names = [runner.name for card in read.cards for runner in card.runners]
    assert len(set(names)) == len(names)


def test_calls_stay_within_the_bounds_of_the_contract() -> None:
    card = cards.read_cards(cards.shipped_cards()).cards[0]
    fat = RaceCard(name="x" * 120, distance_m=1000)
    fat.runners.extend([card.runners[0]] * 40)
    for runner in fat.runners:
        runner.name = "ü" * 80
    for some in ([card] * 473, [fat] * 200, [card, fat] * 100):
        calls = list(cards.batches("harbour-mile", some))
        assert [card for call in calls for card in call] == some
        for call in calls:
            request = ImportRaceCardsRequest(request_id="0" * 36, track="harbour-mile", cards=call)
            assert len(call) <= cards.BATCH_CARDS_MAX
            assert request.ByteSize() <= cards.BATCH_BYTES_MAX
    assert len(list(cards.batches("harbour-mile", [card] * 473))) == 3


@pytest.mark.skipif(not REAL_DATA.exists(), reason="the real race cards are not beside the repository")
def test_every_real_race_becomes_a_card() -> None:
    content = REAL_DATA.read_bytes()
    rows = content.decode().splitlines()[1:]
    read = cards.read_cards(content)
    assert len(read.cards) == len({tuple(line.split(",")[:3]) for line in rows}) == 473
    assert len(read.withdrawn) == sum(",WITHDRAWN," in line for line in rows) == 79
    assert sum(len(card.runners) for card in read.cards) == len(rows) - 79
    assert len(read.notes) == len({tuple(line.split(",")[:3]) for line in rows if line.split(",")[3] == ""}) == 21
    assert all(runner.weight >= 1 for card in read.cards for runner in card.runners)
    # Two favourites closed so short, at a rounded 1, that a track returning 91 % has no price for them.
    priced = cards.priceable(read, return_bps=9_100)
    left_out = {card.name for card in read.cards} - {card.name for card in priced.cards}
    assert left_out == {"ST 2026-01-25 race 6", "ST 2026-02-22 race 8"}
    notes = priced.notes[len(read.notes) :]
    assert {note.column for note in notes} == {"win_odds"}
    assert [rows[note.line - 2].split(",")[7] for note in notes] == ["1", "1"]
