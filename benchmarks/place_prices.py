"""How far prices to PLACE that are made from closing win odds are from real races: how often runners were placed there,
and what the pool paid.

    python -m benchmarks.place_prices FOLDER [--return-bps 8250]

FOLDER holds `hk_runners.csv`, a line a runner with its closing win odds and its place, and `hk_dividends.csv`, a line a
dividend. Races of eight runners and more are taken, where three places are paid here and there. The weights are those
that an import of the same races as cards makes; the target return is that of the pool, so that the prices compare.

place_bias_pp   how far the chance is from how often it came true in the band of odds where it is furthest, in
                percentage points
"""

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final, TypeAlias

from furlong.client.cards import weights_from_odds

from services.game.domain.chances import chances
from services.game.domain.prices import place_prices_hundredths

POOL_RETURN_BPS: Final = 8_250
"""What the pools of Hong Kong give back: 17.5 % are kept."""
PLACES: Final = 3
RUNNERS_MIN: Final = 8
UNIT_HKD: Final = 10
"""Dividends are paid for so much."""

BANDS: Final = (Fraction(2), Fraction(3), Fraction(5), Fraction(8), Fraction(13), Fraction(21), Fraction(51))
"""Where a band of win odds ends and the next one begins."""

Row: TypeAlias = "Mapping[str, str]"
RaceKey: TypeAlias = "tuple[str, str, int]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A runner that ran: the chance and the price to PLACE that its race's win odds make, and what became of it.

    The price is 0 where it would be below 1.01; `dividend` is what the pool paid, where that is known.
    """

    odds: Fraction
    chance: float
    price: float
    is_placed: bool
    dividend: float | None


@dataclass(slots=True, kw_only=True)
class Band:
    """What lies between two win odds, summed up as it is read."""

    name: str
    runners: int = 0
    priced: int = 0
    expected: float = 0.0
    placed: int = 0
    returned: float = 0.0
    prices: list[float] = field(default_factory=list)
    dividends: list[float] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Take a runner in."""
        self.runners += 1
        self.expected += entry.chance
        self.placed += entry.is_placed
        if not entry.price:
            return
        self.priced += 1
        self.returned += entry.price if entry.is_placed else 0.0
        if entry.dividend is not None:
            self.prices.append(entry.price)
            self.dividends.append(entry.dividend)

    @property
    def bias_pp(self) -> float:
        """The chance less what came true, in percentage points: above 0 the model has thought too well of them."""
        return 100 * (self.expected - self.placed) / self.runners


def key_of(row: Row) -> RaceKey:
    """Tell which race a line is of."""
    return row["date"], row["venue"], int(row["race_no"])


def place_dividends(rows: Sequence[Row]) -> Mapping[tuple[RaceKey, str], float]:
    """Read what was paid to PLACE for a stake of 1, by race and runner."""
    return {
        (key_of(row), row["combination"]): float(row["dividend_hkd_per_10"]) / UNIT_HKD
        for row in rows
        if row["pool"] == "PLACE"
    }


def entries(runners: Sequence[Row], dividends: Sequence[Row], return_bps: int) -> Iterator[Entry]:
    """Price every race of enough runners; withdrawn runners are left out, and who did not finish was not placed."""
    paid = place_dividends(dividends)
    for key, rows in groupby(sorted(runners, key=key_of), key=key_of):
        ran = [row for row in rows if row["win_odds"] and row["status"] != "WITHDRAWN"]
        if len(ran) < RUNNERS_MIN:
            continue
        odds = [Fraction(row["win_odds"]) for row in ran]
        weights = tuple(weights_from_odds(odds))
        found = chances(weights, PLACES)
        prices = place_prices_hundredths(weights, PLACES, return_bps)
        for at, row in enumerate(ran):
            yield Entry(
                odds=odds[at],
                chance=float(found.of(at)),
                price=prices[at] / 100,
                is_placed=row["place"] in ("1", "2", "3"),
                dividend=paid.get((key, row["horse_no"])),
            )


def banded(found: Iterator[Entry]) -> Sequence[Band]:
    """Sort runners into the bands of their win odds; bands without one are left out."""
    names = [f"below {BANDS[0]}", *(f"{low} to {high}" for low, high in pairwise(BANDS))]
    bands = [Band(name=name) for name in (*names, f"{BANDS[-1]} and above")]
    for entry in found:
        bands[sum(entry.odds >= end for end in BANDS)].add(entry)
    return [band for band in bands if band.runners]


def table(bands: Sequence[Band]) -> Iterator[str]:
    """Write the bands as a table of Markdown."""
    yield "| win odds | runners | chance, % | placed, % | bias, pp | with a price | return, % | paid | price | pool |"
    yield "| --- |" + " ---: |" * 9
    for band in bands:
        price, dividend = (f"{sum(each) / len(each):.2f}" if each else "" for each in (band.prices, band.dividends))
        returned = f"{100 * band.returned / band.priced:.1f}" if band.priced else ""
        yield (
            f"| {band.name} | {band.runners} | {100 * band.expected / band.runners:.1f} "
            f"| {100 * band.placed / band.runners:.1f} | {band.bias_pp:+.1f} "
            f"| {band.priced} | {returned} | {len(band.prices)} | {price} | {dividend} |"
        )


def main() -> None:
    """Print the table of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--return-bps", type=int, default=POOL_RETURN_BPS)
    asked = parser.parse_args()
    runners, dividends = (
        list(csv.DictReader((asked.folder / name).read_text(encoding="utf-8").splitlines()))
        for name in ("hk_runners.csv", "hk_dividends.csv")
    )
    bands = banded(entries(runners, dividends, asked.return_bps))
    print("\n".join(table(bands)))
    print(f"\nplace_bias_pp {max(abs(band.bias_pp) for band in bands):.1f}")


if __name__ == "__main__":
    main()
