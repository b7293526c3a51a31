"""The race "furlong/race/v1": how a race whose result is known is run, as keyframes that every screen draws alike.

It is a picture of the result and decides nothing. It comes from the round's secret seed by one way only, so it can be
published when the race starts, and once the seed is revealed anybody can compute it again. `docs/race.md` says byte by
byte how; all of it is integer arithmetic, and every division rounds down.

    part      100,000 of them are the way from the gate (0) to the line (LINE)
    length    of a horse, LENGTH parts: the unit of margins, which are in hundredths of it

    ▲ covered                          ____  out, slowing down
    │                        line ____/      all pass it before the race is over
    │                       _____/
    │              _____ ──▶ a way of its own about an even pace: it leads early, comes late, or both by turns
    │   gate _____/
    └──────────────────────────────────────▶ time

Invariants:
 1. Nobody ever runs backwards, and whoever is before another at the last keyframe is so in the result.
 2. At a time on or after a runner's arrival it has covered LINE or more, before it less.
 3. Runners that share a position arrive together, those of different ones do not, and who did not finish never does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hmac import digest
from typing import Final

from services.game.domain.draw import words
from services.game.domain.phase import WITH_RESULT
from services.game.domain.round import Round, StoredRound

ALGORITHM: Final = "furlong/race/v1"
LINE: Final = 100_000
LENGTH: Final = 1_600
INTERVALS: Final = 32
"""Keyframes are so many intervals apart, whatever the race lasts: this bounds the size of a race."""

WINNER_BPS_MIN: Final = 8_200
WINNER_BPS_CHOICES: Final = 501
"""The winner arrives after 82 to 87 of 100 parts of the race's time, in steps of a ten-thousandth."""

MARGINS: Final = (5, 10, 20, 30, 50, 50, 75, 75, 100, 100, 125, 150, 175, 200, 250, 300)
"""Hundredths of a length between two that arrive one after the other: a nose, a short head, a head, a neck and more."""
FIELD_LENGTHS_MAX: Final = 800
"""From the first to the last, in hundredths of a length; a field that would be longer is drawn together."""

TICKS: Final = 1 << 16
"""A runner's time from the gate to its arrival has so many."""
START_TICKS: Final = TICKS // 16
"""The time that a runner takes to come up to speed."""
SEGMENTS: Final = 8
SEGMENT_TICKS: Final = TICKS // SEGMENTS
STYLE: Final = (0, 3, 5, 6, 6, 5, 4, 2, 0)
"""How much of a runner's style shows at the ends of the eight segments: most in the middle of the race."""
STYLE_PARTS: Final = 4
SWAY_PARTS: Final = 6
STOP_LENGTHS: Final = 3
"""How far, at most, who pulls up comes after it has begun to."""
RACES_KEPT: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One runner's race. `covered` has the parts at each keyframe, the first of them 0.

    `arrives_us` is when its nose passes the line, in microseconds after the start; 0 where it does not.
    `margin_hundredths` is how far it is behind who arrived right before it, in hundredths of a length; 0 for the first
    and in a dead heat.
    """

    runner: int
    covered: tuple[int, ...]
    arrives_us: int
    margin_hundredths: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """The ways of a race's runners, in the order of the result; keyframe k is `k * interval_ms` after the start."""

    key: bytes
    interval_ms: int
    ways: tuple[Way, ...]


def race_key(*, server_seed: bytes, track: str, round_id: int) -> bytes:
    """Give what the race is made from, 32 bytes, out of which nobody can tell the seed.

    A round that has no seed, because its result was entered, is keyed with its number, so that its races differ too.
    """
    message = f"{ALGORITHM}|{track}|{round_id}"
    return digest(server_seed or str(round_id).encode("ascii"), message.encode("ascii"), "sha256")


def with_race(stored: StoredRound) -> StoredRound:
    """Have a round that has started carry its race's key; any other is given back as it is."""
    round_ = stored.round
    if round_.phase not in WITH_RESULT:
        return stored
    key = race_key(server_seed=stored.server_seed, track=round_.track, round_id=round_.round_id)
    return replace(stored, round=replace(round_, race_key=key))


def race_of(round_: Round) -> Race | None:
    """Give the race of a round as everybody may see it; None before it starts.

    None too where the result was corrected: what was run is not what the result says any more.
    """
    if not round_.race_key or round_.correction_reason:
        return None
    race_ms = round_.schedule.finishes_at_ms - round_.schedule.starts_at_ms
    return run(key=round_.race_key, result=round_.result, positions=round_.positions, race_ms=race_ms)


@lru_cache(maxsize=RACES_KEPT)
def run(*, key: bytes, result: tuple[int, ...], positions: tuple[int, ...], race_ms: int) -> Race:
    """Run a race of `race_ms` that ends with this result.

    `positions` go with `result` as in a round: equal ones are a dead heat, 0 did not finish, none at all is 1, 2, 3.
    """
    assert len(positions) in (0, len(result)), f"{len(positions)} positions of {len(result)} runners"
    positions = positions or tuple(range(1, len(result) + 1))
    chance = words(key)
    pace = next(chance)
    looks = [(next(chance), next(chance)) for _ in result]
    margins = _margins(positions, [of_margin for of_margin, _ in looks])
    winner_us = race_ms * 1_000 * (WINNER_BPS_MIN + pace % WINNER_BPS_CHOICES) // 10_000
    interval_ms = -(-race_ms // INTERVALS)
    ways = []
    behind = 0
    for runner, position, margin, (of_margin, of_way) in zip(result, positions, margins, looks, strict=True):
        behind += margin
        course = _Course(
            arrives_us=winner_us + behind * LENGTH * winner_us // (100 * LINE),
            race_us=race_ms * 1_000,
            deviations=tuple(_deviations(of_way, behind * LENGTH // 100)),
            stops_at=0 if position else LINE * (20 + of_margin % 71) // 100,
        )
        ways.append(
            Way(
                runner=runner,
                covered=tuple(course.covered(k * interval_ms * 1_000) for k in range(INTERVALS + 1)),
                arrives_us=course.arrives_us if position else 0,
                margin_hundredths=margin,
            )
        )
    return Race(key=key, interval_ms=interval_ms, ways=tuple(ways))


def _margins(positions: Sequence[int], chances: Sequence[int]) -> list[int]:
    """Give how far each is behind the one before it."""
    drawn = [
        MARGINS[chance % len(MARGINS)] if position and place and position != positions[place - 1] else 0
        for place, (position, chance) in enumerate(zip(positions, chances, strict=True))
    ]
    whole = sum(drawn)
    if whole <= FIELD_LENGTHS_MAX:
        return drawn
    return [max(margin * FIELD_LENGTHS_MAX // whole, 1) if margin else 0 for margin in drawn]


def _deviations(chance: int, behind_parts: int) -> Iterator[int]:
    """Give how far a runner is before an even pace at each end of a segment, in parts; none at the gate and the line.

    Who arrives late keeps up at first and loses its ground towards the end, or the race would tell its result early.
    """
    style, *sways = (byte - 128 for byte in chance.to_bytes(8, "big"))
    for end, (share, sway) in enumerate(zip(STYLE, (0, *sways, 0), strict=True)):
        keeps_up = behind_parts * end * (SEGMENTS**2 - end**2) // SEGMENTS**3
        yield style * share * STYLE_PARTS + sway * SWAY_PARTS + keeps_up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """How one runner runs: to the line at `arrives_us`, or until it pulls up at `stops_at` parts, if not 0."""

    arrives_us: int
    race_us: int
    deviations: tuple[int, ...]
    stops_at: int

    def covered(self, at_us: int) -> int:
        """Give the parts that are behind it `at_us` after the start."""
        if self.stops_at:
            return self._pulled_up(self._before(min(at_us, self.arrives_us - 1)))
        return self._before(at_us) if at_us < self.arrives_us else self._out(at_us - self.arrives_us)

    def _before(self, at_us: int) -> int:
        ticks = at_us * TICKS // self.arrives_us
        segment, into = divmod(ticks, SEGMENT_TICKS)
        begin, end = self.deviations[segment], self.deviations[segment + 1]
        eased = (end - begin) * into * into * (3 * SEGMENT_TICKS - 2 * into) // SEGMENT_TICKS**3
        return min(_even(ticks) + begin + eased, LINE - 1)

    def _out(self, after_us: int) -> int:
        """Give how far it has come when it arrived `after_us` ago and has been slowing down since."""
        return LINE + LINE * after_us * (self.race_us - after_us) // (self.arrives_us * self.race_us)

    def _pulled_up(self, would_be: int) -> int:
        too_far = would_be - self.stops_at
        stop = STOP_LENGTHS * LENGTH
        return would_be if too_far <= 0 else self.stops_at + too_far * stop // (too_far + stop)


def _even(ticks: int) -> int:
    """Give the parts that an even runner has covered, out of a standing start; LINE at TICKS."""
    doubled = ticks * ticks if ticks < START_TICKS else 2 * START_TICKS * ticks - START_TICKS**2
    return LINE * doubled // (2 * START_TICKS * TICKS - START_TICKS**2)
