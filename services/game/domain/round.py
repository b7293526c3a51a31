"""A round: one race with its betting, from the opening to the last payout."""

from dataclasses import dataclass, field

from services.game.domain.card import Runner
from services.game.domain.phase import WITH_RESULT, Phase
from services.game.domain.timeline import Schedule
from services.game.domain.track import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many tickets were accepted and what was staked on them, in minor units."""

    tickets: int = 0
    stake_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as everybody may see it; `phase` draws its life and lists its invariants.

    `commitment` and `tickets_root` are lower-case hex. `revision` counts the round's own transitions,
    `transition_seq` those of the track, without gaps. With a `correction_reason`, `result` is the corrected one.
    """

    round_id: int
    track: str
    phase: Phase
    revision: int
    transition_seq: int
    schedule: Schedule
    runners: tuple[Runner, ...]
    commitment: str
    tickets_root: str
    result: tuple[int, ...]
    totals: Totals
    currency: str
    race_name: str
    distance_m: int
    limits: Limits
    return_bps: int
    void_reason: str
    correction_reason: str
    payout_minor: int

    def __post_init__(self) -> None:
        drawn = bool(self.result)
        assert drawn == (self.phase in WITH_RESULT), f"round {self.round_id}: {self.phase.name}, result {self.result}"
        numbers = sorted(runner.runner for runner in self.runners)
        assert not drawn or sorted(self.result) == numbers, f"round {self.round_id}: {self.result} is not its field"
        sealed = self.phase in (Phase.OPEN, Phase.VOID)
        assert sealed or self.tickets_root, f"round {self.round_id}: {self.phase.name} without a root"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRound:
    """A round with its secrets, which no log and no error shows.

    `sealed_seed` can be opened with game's key only; `server_seed` is empty until the result is stored. `posting` says
    that money which was decided on is still to be moved.
    """

    round: Round
    sealed_seed: bytes = field(repr=False)
    server_seed: bytes = field(repr=False)
    posting: bool = False
