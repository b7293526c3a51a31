"""Invented races from a seed, in the format of docs/race-cards.md, for tracks that have no real ones.

The same seed and settings give the same file on every machine: chance is SHA-256 in counter mode, and what is no whole
number is worked out in decimals of fixed precision. What comes out looks like a real market, measured on 473 races of
Hong Kong: fields of 6 to 14, mostly 12 or 14; odds whose logarithms lie 1.02 apart (one standard deviation; 0.15 more
or less from race to race); and 1.227 as the sum of one over the odds, which is what a pool keeps.
"""

import csv
import datetime
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, TypeVar

from furlong.client.cards import COLUMN_NAME, COLUMNS_NEEDED, RACE_NUMBER_MAX, RUNNER_NUMBER_MAX, RUNNERS_MIN

VERSION: Final = "furlong/cards/v1"
"""Named in what the chance comes from: whoever changes what is drawn, or in which order, changes it too."""

FIELDS: Final[Mapping[int, int]] = {6: 2, 7: 6, 8: 2, 9: 6, 10: 12, 11: 32, 12: 209, 13: 23, 14: 181}
"""How many real races had so many runners."""

DISTANCES_M: Final[Mapping[int, int]] = {1_000: 53, 1_200: 233, 1_400: 106, 1_600: 42, 1_650: 91, 1_800: 38, 2_000: 10}
"""How often races go over so many metres, roughly."""

SPREAD_THOUSANDTHS: Final = 1_023
SPREAD_VARIES_THOUSANDTHS: Final = 150
SPREAD_THOUSANDTHS_MIN: Final = 400
"""The standard deviation of the logarithms of a race's odds, and that of this from race to race."""

KEPT_THOUSANDTHS: Final = 1_227
"""The sum over a race of one over its odds."""

ODDS_MIN, ODDS_MAX = Decimal("1.3"), Decimal(300)
"""The lowest odds still have a price above the stake at a usual return."""

VENUES: Final = ("Larkspur Down", "Cinder Bay", "Holloway Moss", "Pebble Reach", "Thornwick", "Mallow Heath")
FIRST_WORDS: Final = (
    *("Amber", "Brass", "Candle", "Cloud", "Copper", "Crooked", "Dapper", "Distant", "Drowsy", "Early"),
    *("Feather", "Gentle", "Gilded", "Hidden", "Honest", "Humble", "Idle", "Inkwell", "Jolly", "Kettle"),
    *("Lantern", "Lucky", "Marble", "Midnight", "Mossy", "Nimble", "Paper", "Patient", "Pepper", "Quiet"),
    *("Rusty", "Sailor", "Sixpence", "Sober", "Sudden", "Tidy", "Velvet", "Wandering", "Whistling", "Winter"),
)
SECOND_WORDS: Final = (
    *("Admiral", "Almanac", "Anchor", "Bishop", "Bramble", "Button", "Chorus", "Compass", "Cricket", "Dumpling"),
    *("Errand", "Fiddler", "Galleon", "Gardener", "Harbour", "Hatter", "Juniper", "Kestrel", "Ladder", "Magpie"),
    *("Miller", "Nightcap", "Orchard", "Parcel", "Piper", "Postman", "Quarrel", "Rainbow", "Riddle", "Saucer"),
    *("Shilling", "Sparrow", "Teapot", "Thimble", "Thunder", "Umbrella", "Waltz", "Weather", "Whisper", "Yeoman"),
)

_EXACT: Final = Context(prec=30, rounding=ROUND_HALF_EVEN)
_FIRST_DAY: Final = datetime.date(2026, 1, 1)
_WORDS_OF_A_BLOCK: Final = 4
_WORD: Final = 1 << 64
_HEADER: Final = (*COLUMNS_NEEDED[:6], COLUMN_NAME, *COLUMNS_NEEDED[6:])

_T = TypeVar("_T")


class _Chance:
    """Whole numbers that only the seed decides."""

    def __init__(self, seed: str) -> None:
        self._words = _words(f"{VERSION}|{seed}")

    def below(self, bound: int) -> int:
        """A number from 0 to below `bound`, each as likely as the others."""
        usable = _WORD // bound * bound
        while (word := next(self._words)) >= usable:
            pass
        return word % bound

    def one_of(self, choices: Sequence[_T]) -> _T:
        return choices[self.below(len(choices))]

    def weighted(self, weights: Mapping[int, int]) -> int:
        """One of the keys, each as likely as its weight."""
        left = self.below(sum(weights.values()))
        for key, weight in weights.items():
            if left < weight:
                return key
            left -= weight
        raise AssertionError("the weights add up to more than was drawn")

    def normal_thousandths(self) -> int:
        """A number of the normal distribution, nearly: twelve even ones, whose deviations add up to 1,000."""
        return sum(self.below(1_001) for _ in range(12)) - 6_000


def _words(seed: str) -> Iterator[int]:
    """64-bit numbers: SHA-256 of the seed and a counter, four to a block."""
    block = 0
    while True:
        digest = hashlib.sha256(f"{seed}|{block}".encode(errors="surrogateescape")).digest()
        yield from (int.from_bytes(digest[8 * n : 8 * n + 8], "big") for n in range(_WORDS_OF_A_BLOCK))
        block += 1


def generate(seed: str, races: int, *, runners: int = 0, venue: str = "", date: datetime.date | None = None) -> str:
    """Make a card file of 1 to 999 races.

    A race has 2 to 40 `runners`, or as many as real ones where it is 0. Without a `venue` or a `date` the seed chooses
    them, so two seeds rarely make races of the same name. Raises ValueError where a number is out of its range.
    """
    if not 1 <= races <= RACE_NUMBER_MAX:
        raise ValueError(f"{races} races are not 1 to {RACE_NUMBER_MAX}")
    if runners and not RUNNERS_MIN <= runners <= RUNNER_NUMBER_MAX:
        raise ValueError(f"{runners} runners are not {RUNNERS_MIN} to {RUNNER_NUMBER_MAX}")
    chance = _Chance(seed)
    drawn_venue = chance.one_of(VENUES)
    drawn_date = _FIRST_DAY + datetime.timedelta(days=chance.below(365))
    place = ((date or drawn_date).isoformat(), venue or drawn_venue)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEADER)
    for race in range(1, races + 1):
        field = runners or chance.weighted(FIELDS)
        distance_m = chance.weighted(DISTANCES_M)
        names = _names(chance, field)
        for runner, (name, odds) in enumerate(zip(names, _odds(chance, field), strict=True), 1):
            rows.writerow((*place, race, distance_m, runner, f"G{race:03}{runner:02}", name, odds, "FINISHED"))
    return text.getvalue()


def _names(chance: _Chance, field: int) -> list[str]:
    """Names of two words, no two alike in a race, and no first or second word twice in it if there are enough."""
    firsts, seconds = list(FIRST_WORDS), list(SECOND_WORDS)
    return [f"{firsts.pop(chance.below(len(firsts)))} {seconds.pop(chance.below(len(seconds)))}" for _ in range(field)]


def _odds(chance: _Chance, field: int) -> list[Decimal]:
    """Decimal odds of a race, as a board shows them: to a tenth below 10, to a whole above."""
    varies = chance.normal_thousandths() * SPREAD_VARIES_THOUSANDTHS // 1_000
    spread = max(SPREAD_THOUSANDTHS + varies, SPREAD_THOUSANDTHS_MIN)
    logarithms = [_EXACT.divide(chance.normal_thousandths() * spread, 1_000_000) for _ in range(field)]
    strengths = [_EXACT.exp(logarithm) for logarithm in logarithms]
    total = sum(strengths, Decimal(0))
    kept = _EXACT.divide(1_000 * total, KEPT_THOUSANDTHS)
    return [_on_the_board(_EXACT.divide(kept, strength)) for strength in strengths]


def _on_the_board(odds: Decimal) -> Decimal:
    bounded = min(max(odds, ODDS_MIN), ODDS_MAX)
    return bounded.quantize(Decimal("0.1") if bounded < 10 else Decimal(1), context=_EXACT)
