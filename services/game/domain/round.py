"""A round: one race with its betting, from the opening to the last payout."""

from dataclasses import dataclass, field
from typing import Final

from services.game.domain.card import Runner
from services.game.domain.phase import WITH_RESULT, Phase
from services.game.domain.timeline import Schedule
from services.game.domain.track import Limits, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many tickets were accepted and what was staked on them, in minor units."""

    tickets: int = 0
    stake_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was fixed when a round opened, beside runners, prices and limits; `furlong.common.v1.Terms` has the words.

    `places` is how many PLACE pays, 0 where it is not offered. Without a beacon `beacon` is empty. `seed_anchor` is
    lower-case hex, empty for a seed of no chain.
    """

    source: Source = Source.DRAWN
    places: int = 0
    place_return_bps: int = 0
    beacon: str = ""
    beacon_round: int = 0
    beacon_wait_ms: int = 0
    seed_anchor: str = ""
    seed_index: int = 0


DEFAULT_TERMS: Final = Terms()
"""Of rounds that opened before terms were kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as everybody may see it; `phase` draws its life and lists its invariants.

    `commitment` and `tickets_root` are lower-case hex. `revision` counts the round's own transitions,
    `transition_seq` those of the track, without gaps. With a `correction_reason`, `result` is the corrected one.
    `positions` go with `result` and are empty without dead heats; runners that were `withdrawn` are not in it.
    `race_key` is what the race is run from, empty until it starts.
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
    terms: Terms = DEFAULT_TERMS
    positions: tuple[int, ...] = ()
    withdrawn: tuple[int, ...] = ()
    price_revision: int = 0
    race_key: bytes = b""

    def __post_init__(self) -> None:
        drawn = bool(self.result)
        assert drawn or not self.race_key, f"round {self.round_id}: {self.phase.name} has a race already"
        assert drawn == (self.phase in WITH_RESULT), f"round {self.round_id}: {self.phase.name}, result {self.result}"
        numbers = sorted(runner.runner for runner in self.runners if runner.runner not in self.withdrawn)
        assert not drawn or sorted(self.result) == numbers, f"round {self.round_id}: {self.result} is not its field"
        sealed = self.phase in (Phase.OPEN, Phase.VOID)
        assert sealed or self.tickets_root, f"round {self.round_id}: {self.phase.name} without a root"

    @property
    def awaits_result(self) -> bool:
        """Tell whether the round goes on when its result is entered, and by no time."""
        return self.phase is Phase.LOCKED and self.terms.source is Source.ENTERED


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
    beacon_signature: bytes = b""
