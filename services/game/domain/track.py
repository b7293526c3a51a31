"""A track: the settings under which one round after another is run."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class TrackState(IntEnum):
    """Whether a track sells tickets and opens rounds. The numbers are those of the wire."""

    RUNNING = 1
    PAUSED = 2
    SUSPENDED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """How long the parts of a round last, in milliseconds."""

    betting_window_ms: int
    lock_ms: int
    race_ms: int
    finish_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a track takes, all in minor units.

    Stakes are of one line. The others bound what the house may come to pay on one selection, to lose on a round, and to
    pay on one ticket; the store sees to them, 0 is no limit.
    """

    stake_min_minor: int
    stake_max_minor: int
    selection_payout_max_minor: int = 0
    round_loss_max_minor: int = 0
    payout_max_minor: int = 0


class Source(IntEnum):
    """Where a result comes from. The numbers are those of the wire."""

    DRAWN = 1
    ENTERED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a track makes its rounds; see `furlong.common.v1.Program` for the words.

    A `place_return_bps` of 0 is the track's `return_bps`. Without `every_ms` and `off_times_s`, which are seconds after
    midnight in `time_zone`, a round opens as soon as the last one ends.
    """

    source: Source = Source.DRAWN
    place_return_bps: int = 0
    beacon: str = ""
    every_ms: int = 0
    off_times_s: tuple[int, ...] = ()
    time_zone: str = ""


DEFAULT_PROGRAM: Final = Program()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a track that can be suspended by itself: exactly one of a market, a runner and a terminal.

    `market` is a number of the wire; what is not meant is 0 or empty.
    """

    market: int = 0
    runner: int = 0
    terminal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A part that does not sell, why, and since when on the store's clock.

    A runner's is of the round `round_id` and ends with it; that of a market or a terminal holds for every round, and
    `round_id` is 0.
    """

    part: Part
    round_id: int
    reason: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChange:
    """Settings of a track that are to change from its next round on; None leaves one as it is."""

    display_name: str | None = None
    timetable: Timetable | None = None
    limits: Limits | None = None
    return_bps: int | None = None
    program: Program | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A track by its name. `return_bps` is the target return to the player in basis points.

    `suspended` are the parts that do not sell while the rest of it does.
    """

    track: str
    display_name: str
    currency: str
    timetable: Timetable
    limits: Limits
    return_bps: int
    state: TrackState = TrackState.RUNNING
    program: Program = DEFAULT_PROGRAM
    suspended: tuple[Suspension, ...] = ()


DEFAULT_TIMETABLE: Final = Timetable(betting_window_ms=30_000, lock_ms=1_000, race_ms=15_000, finish_ms=6_000)
DEFAULT_LIMITS: Final = Limits(stake_min_minor=1, stake_max_minor=10_000_000)
DEFAULT_RETURN_BPS: Final = 9_100
