"""The timeline: what time asks of a round. Phase and next transition are functions of its schedule and nothing else.

    opens_at      locks_at    starts_at        finishes_at            ends_at
       │   OPEN      │  LOCKED   │    RUNNING      │      FINISHED       │
       └─────────────┴───────────┴─────────────────┴─────────────────────┴─▶ the next round opens

Time alone changes nothing: a transition happens when its time has come and persist has made it durable. So the phase
of a round is the earlier of what time says and what is durable, and it never goes back. Times are milliseconds since
the Unix epoch on the database's clock, which stamped the schedule.
"""

from dataclasses import dataclass
from itertools import pairwise

from services.game.domain.phase import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the parts of one round begin; fixed when it opens."""

    opens_at_ms: int
    locks_at_ms: int
    starts_at_ms: int
    finishes_at_ms: int
    ends_at_ms: int

    def __post_init__(self) -> None:
        times = (self.opens_at_ms, self.locks_at_ms, self.starts_at_ms, self.finishes_at_ms, self.ends_at_ms)
        assert all(earlier < later for earlier, later in pairwise(times)), f"out of order: {times}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A transition that time will ask for: into `phase`, not before `at_ms`."""

    phase: Phase
    at_ms: int


def phase_by_time(schedule: Schedule, now_ms: int) -> Phase:
    """Tell the phase that a round would be in if nothing ever came late."""
    if now_ms < schedule.locks_at_ms:
        return Phase.OPEN
    if now_ms < schedule.starts_at_ms:
        return Phase.LOCKED
    if now_ms < schedule.finishes_at_ms:
        return Phase.RUNNING
    return Phase.FINISHED


def next_due(phase: Phase, schedule: Schedule) -> Due | None:
    """Tell the next transition of a round by the clock; None once its race is over or it is void."""
    match phase:
        case Phase.OPEN:
            return Due(phase=Phase.LOCKED, at_ms=schedule.locks_at_ms)
        case Phase.LOCKED:
            return Due(phase=Phase.RUNNING, at_ms=schedule.starts_at_ms)
        case Phase.RUNNING:
            return Due(phase=Phase.FINISHED, at_ms=schedule.finishes_at_ms)
        case Phase.FINISHED | Phase.SETTLED | Phase.VOID:
            return None


def next_round_opens_at_ms(phase: Phase, schedule: Schedule, now_ms: int) -> int | None:
    """Tell when the track may open its next round; None while this one is not over.

    A finished round keeps its finish screen until `ends_at_ms`, settled or not. A void round has nothing to show.
    """
    match phase:
        case Phase.OPEN | Phase.LOCKED | Phase.RUNNING:
            return None
        case Phase.FINISHED | Phase.SETTLED:
            return schedule.ends_at_ms
        case Phase.VOID:
            return now_ms
