"""Race cards from a CSV file: runners, and integer weights from closing odds. The format is docs/race-cards.md.

A file is taken whole or not at all: every problem is found first and named with its line and column. What is merely
untidy in real racing data (a withdrawn runner, a race without a distance) is put right and told as a note.
"""

import csv
import datetime
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib import resources

from furlong.common.v1.round_pb2 import RaceCard, Runner
from furlong.game.v1.track_service_pb2 import ImportRaceCardsRequest

FILE_BYTES_MAX = 8 << 20
PROBLEMS_MAX = 20
RUNNERS_MIN = 2
RUNNER_NUMBER_MAX = 40
RACE_NUMBER_MAX = 999
DISTANCE_M_MIN, DISTANCE_M_MAX = 100, 10_000
DISTANCE_M_UNKNOWN = 0
ODDS_MIN, ODDS_MAX = 1, 10_000
NAME_CHARACTERS_MAX = 80
VENUE_CHARACTERS_MAX = 80
CELL_CHARACTERS_SHOWN = 40

# The weights of a race add up to nearly this much; each is rounded down, and at least 1.
WEIGHT_SCALE = 1_000_000

# A runner so strong that its price would be lower than 1.01 cannot be priced, and its race cannot be run.
PRICE_HUNDREDTHS_MIN = 101

# One ImportRaceCards call: the contract's number of cards, and a message below the servers' bound of 256 KiB.
BATCH_CARDS_MAX = 200
BATCH_BYTES_MAX = 240 << 10

COLUMNS_NEEDED = ("date", "venue", "race_no", "distance_m", "horse_no", "horse_code", "win_odds", "status")
COLUMN_NAME = "horse_name"
STATUSES = ("FINISHED", "WITHDRAWN", "DID_NOT_FINISH", "DISQUALIFIED", "UNKNOWN")

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,6}")
DECIMAL_ODDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that people should know. `line` 1 is the header, 0 the whole file; `column` may be empty."""

    line: int
    column: str
    text: str

    def __str__(self) -> str:
        if not self.line:
            return self.text
        column = f", column {self.column}" if self.column else ""
        return f"line {self.line}{column}: {self.text}"


class CardFileRefused(ValueError):
    """The file cannot be used. `problems` holds the first PROBLEMS_MAX of them, in the order of the lines."""

    def __init__(self, problems: Sequence[Finding]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile:
    """What a file held: the cards, the withdrawn runners that were left out, and what else was put right.

    `lines` tells for each card the line of each runner, by its number.
    """

    cards: tuple[RaceCard, ...]
    lines: tuple[Mapping[int, int], ...]
    withdrawn: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def weights_from_odds(odds: Sequence[Fraction]) -> list[int]:
    """Turn closing decimal odds (each above 0) into weights: shares of WEIGHT_SCALE in proportion to 1 / odds."""
    chances = [1 / price for price in odds]
    total = sum(chances)
    return [max(1, int(WEIGHT_SCALE * chance / total)) for chance in chances]


def priceable(read: CardFile, return_bps: int) -> CardFile:
    """Leave out the races that cannot be priced at a target return in basis points; each is told as a note.

    A runner's price is return * (sum of weights / its weight), rounded down to hundredths. A favourite that is all but
    certain would be paid no more than its stake.
    """
    kept: list[tuple[RaceCard, Mapping[int, int]]] = []
    notes = list(read.notes)
    for card, lines in zip(read.cards, read.lines, strict=True):
        favourite = max(card.runners, key=lambda runner: runner.weight)
        total = sum(runner.weight for runner in card.runners)
        if return_bps * total // (favourite.weight * 100) >= PRICE_HUNDREDTHS_MIN:
            kept.append((card, lines))
            continue
        text = (
            f"runner {favourite.runner} ({favourite.name}) of {card.name} is so strong that it has no price above its "
            f"stake where {return_bps} of 10000 is returned: race left out"
        )
        notes.append(Finding(line=lines[favourite.runner], column="win_odds", text=text))
    return replace(
        read, cards=tuple(card for card, _ in kept), lines=tuple(lines for _, lines in kept), notes=tuple(notes)
    )


def shipped_cards() -> bytes:
    """Read the card file that comes with Furlong: invented races, so that it runs without data of anybody."""
    return resources.files("furlong.client").joinpath("data/cards.csv").read_bytes()


def batches(track: str, cards: Sequence[RaceCard]) -> Iterator[list[RaceCard]]:
    """Split cards into calls that the contract allows: at most BATCH_CARDS_MAX cards and BATCH_BYTES_MAX bytes."""
    batch: list[RaceCard] = []
    envelope = ImportRaceCardsRequest(request_id="0" * 36, track=track).ByteSize()
    size = envelope
    for card in cards:
        card_size = ImportRaceCardsRequest(cards=[card]).ByteSize()
        if batch and (len(batch) == BATCH_CARDS_MAX or size + card_size > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], envelope
        batch.append(card)
        size += card_size
    if batch:
        yield batch


def read_cards(content: bytes) -> CardFile:
    """Read a card file. Raise CardFileRefused, with every problem that was found, when it cannot be used."""
    return _Reader().read(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A runner that takes part, as its row tells it."""

    line: int
    number: int
    name: str
    odds: Fraction


@dataclass(slots=True, kw_only=True)
class _Race:
    """A race while its rows are gathered; `line` is where it begins."""

    line: int
    name: str
    distance_m: int | None = None
    entries: dict[int, _Entry] = field(default_factory=dict)


class _BadCell(ValueError):
    """A cell is not what its column asks for. The message says what it is and what it has to be."""


class _Reader:
    """One pass over one file. Rows are judged one by one, so that a file's problems are all told at once."""

    def __init__(self) -> None:
        self._races: dict[str, _Race] = {}
        self._problems: list[Finding] = []
        self._withdrawn: list[Finding] = []
        self._notes: list[Finding] = []

    def read(self, content: bytes) -> CardFile:
        rows = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
        try:
            header = [name.strip() for name in next(rows)]
            self._check_header(header)
            for row in rows:
                if row:
                    self._read_row(rows.line_num, header, row)
        except StopIteration:
            self._problem(0, "", "the file is empty")
        except csv.Error as error:
            self._problem(rows.line_num, "", f"not CSV: {error}")
        if not self._problems:
            self._check_races()
        if self._problems:
            raise CardFileRefused(self._problems)
        cards = tuple(_card(race) for race in self._races.values())
        lines = tuple({entry.number: entry.line for entry in race.entries.values()} for race in self._races.values())
        return CardFile(cards=cards, lines=lines, withdrawn=tuple(self._withdrawn), notes=tuple(self._notes))

    def _problem(self, line: int, column: str, text: str) -> None:
        self._problems.append(Finding(line=line, column=column, text=text))
        if len(self._problems) == PROBLEMS_MAX:
            raise CardFileRefused(self._problems)

    def _check_header(self, header: list[str]) -> None:
        hint = "; is the file separated by commas?" if len(header) == 1 else ""
        for column in COLUMNS_NEEDED:
            if column not in header:
                self._problem(1, column, f"the file has no such column{hint}")
        for column in (*COLUMNS_NEEDED, COLUMN_NAME):
            if header.count(column) > 1:
                self._problem(1, column, "the file has this column more than once")
        if self._problems:
            raise CardFileRefused(self._problems)

    def _read_row(self, line: int, header: list[str], row: list[str]) -> None:
        if len(row) != len(header):
            self._problem(line, "", f"{len(row)} fields, but the header names {len(header)}")
            return
        cells = _Cells(dict(zip(header, (cell.strip() for cell in row), strict=True)))
        try:
            race = self._race(line, cells)
            self._gather(line, cells, race)
        except _BadCell as error:
            self._problem(line, cells.column, str(error))

    def _race(self, line: int, cells: "_Cells") -> _Race:
        date, venue = cells.date("date"), cells.text("venue", VENUE_CHARACTERS_MAX)
        name = f"{venue} {date} race {cells.whole('race_no', 1, RACE_NUMBER_MAX)}"
        race = self._races.setdefault(name, _Race(line=line, name=name))
        distance_m = cells.whole("distance_m", DISTANCE_M_MIN, DISTANCE_M_MAX) if cells.filled("distance_m") else None
        if distance_m is not None and race.distance_m not in (None, distance_m):
            raise _BadCell(f"{distance_m}, but a line above says {race.distance_m} for this race")
        race.distance_m = race.distance_m or distance_m
        return race

    def _gather(self, line: int, cells: "_Cells", race: _Race) -> None:
        withdrawn = cells.choice("status", STATUSES) == "WITHDRAWN"
        name = cells.text("horse_code", NAME_CHARACTERS_MAX)
        if cells.filled(COLUMN_NAME):
            name = cells.text(COLUMN_NAME, NAME_CHARACTERS_MAX)
        if withdrawn and not cells.filled("horse_no"):
            self._leave_out(line, f"a runner without a number ({name})", race)
            return
        number = cells.whole("horse_no", 1, RUNNER_NUMBER_MAX)
        if withdrawn:
            self._leave_out(line, f"runner {number} ({name})", race)
            return
        if number in race.entries:
            raise _BadCell(f"{number} already runs in this race, see line {race.entries[number].line}")
        odds = cells.odds("win_odds")
        race.entries[number] = _Entry(line=line, number=number, name=name, odds=odds)

    def _leave_out(self, line: int, who: str, race: _Race) -> None:
        self._withdrawn.append(Finding(line=line, column="status", text=f"{who} of {race.name} is withdrawn: left out"))

    def _check_races(self) -> None:
        if not self._races:
            self._problem(1, "", "there is no race below the header")
        for race in self._races.values():
            if len(race.entries) < RUNNERS_MIN:
                text = f"{race.name} keeps {len(race.entries)} of the {RUNNERS_MIN} runners that a race needs"
                self._problem(race.line, "status", text)
            if race.distance_m is None:
                text = f"{race.name} has no distance: the card says that it is not known"
                self._notes.append(Finding(line=race.line, column="distance_m", text=text))


class _Cells:
    """The cells of one row, checked as they are read. `column` is the one read last, for the message of an error."""

    def __init__(self, cells: dict[str, str]) -> None:
        self.column = ""
        self._cells = cells

    def filled(self, column: str) -> bool:
        return bool(self._cells.get(column))

    def text(self, column: str, characters_max: int) -> str:
        cell = self._cell(column)
        if not cell:
            raise _BadCell("empty")
        if len(cell) > characters_max or not cell.isprintable():
            raise _BadCell(f"{_shown(cell)}: not printable text of at most {characters_max} characters")
        return cell

    def whole(self, column: str, low: int, high: int) -> int:
        cell = self._cell(column)
        if not WHOLE_NUMBER.fullmatch(cell) or not low <= int(cell) <= high:
            raise _BadCell(f"{_shown(cell)}: not a whole number from {low} to {high}")
        return int(cell)

    def date(self, column: str) -> str:
        cell = self._cell(column)
        try:
            if DATE.fullmatch(cell):
                return datetime.date.fromisoformat(cell).isoformat()
        except ValueError:
            pass  # a 31st of June has the form of a date: the message below fits it as well
        raise _BadCell(f"{_shown(cell)}: not a date such as 2026-05-31")

    def choice(self, column: str, choices: Sequence[str]) -> str:
        cell = self._cell(column)
        if cell not in choices:
            raise _BadCell(f"{_shown(cell)}: not one of {', '.join(choices)}")
        return cell

    def odds(self, column: str) -> Fraction:
        cell = self._cell(column)
        if not cell:
            raise _BadCell("empty, and the runner is not withdrawn")
        if not DECIMAL_ODDS.fullmatch(cell) or not ODDS_MIN <= Fraction(cell) <= ODDS_MAX:
            raise _BadCell(f"{_shown(cell)}: not decimal odds such as 6.5, from {ODDS_MIN} to {ODDS_MAX}")
        return Fraction(cell)

    def _cell(self, column: str) -> str:
        self.column = column
        return self._cells[column]


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= CELL_CHARACTERS_SHOWN else cell[:CELL_CHARACTERS_SHOWN] + "...")


def _card(race: _Race) -> RaceCard:
    entries = sorted(race.entries.values(), key=lambda entry: entry.number)
    weights = weights_from_odds([entry.odds for entry in entries])
    return RaceCard(
        name=race.name,
        distance_m=race.distance_m or DISTANCE_M_UNKNOWN,
        runners=[
            Runner(runner=entry.number, name=entry.name, weight=weight)
            for entry, weight in zip(entries, weights, strict=True)
        ],
    )


def _text(content: bytes) -> str:
    if len(content) > FILE_BYTES_MAX:
        text = f"the file is larger than {FILE_BYTES_MAX} bytes: split it"
        raise CardFileRefused([Finding(line=0, column="", text=text)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CardFileRefused([_undecodable(content, error.start)]) from error


def _undecodable(content: bytes, at: int) -> Finding:
    """Name the line and column of the first byte that is not UTF-8; up to it the file can be read."""
    lines = content[:at].decode("utf-8-sig", "replace").split("\n")
    header = lines[0].split(",")
    # The cell is the one after as many commas; in a line with quoted commas that is a guess, and the line is right.
    commas = lines[-1].count(",")
    column = header[commas].strip() if len(lines) > 1 and commas < len(header) else ""
    return Finding(line=len(lines), column=column, text=f"byte {content[at]:#04x} is not UTF-8: save the file as UTF-8")
