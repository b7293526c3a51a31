"""A round, from its opening to its end.

    OPEN ──lock──▶ LOCKED ──start──▶ RUNNING ──finish──▶ FINISHED ──settle──▶ SETTLED ──correct─┐
      │              │                                                           ▲              │
      └────void──────┴──▶ VOID                                                   └──────────────┘

Each step is one transition: durable in one transaction, numbered per track without gaps, made under the current epoch
of the track's lease, never taken back. An operator, who has no lease, may void, correct, and start a race with the
result that he saw. A settlement is decided first, on the FINISHED round, and is made the transition when its last money
has moved; a void and a correction are transitions at once, and their money moves after it.

1. A step leaves exactly one phase, or for a void one of two; from any other it is refused.
2. A step whose time has not come on the database's clock is refused: lock before `locks_at`, start before
   `starts_at`, finish before `finishes_at`.
3. A step that is durable already, asked for again with the same content, answers the round as it is.
4. `tickets_root` and the totals are final from LOCKED on, `server_seed` from RUNNING on, and so is `result` but for
   corrections.
5. Nothing is decided on a round while money of an earlier decision is still to be moved.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Phase(IntEnum):
    """How far a round is, numbered as `furlong.common.v1.Round.Phase`."""

    OPEN = 1
    LOCKED = 2
    RUNNING = 3
    FINISHED = 4
    SETTLED = 5
    VOID = 6


ON_TRACK: Final = (Phase.OPEN, Phase.LOCKED, Phase.RUNNING)
"""The phases that occupy a track: no other round opens meanwhile."""

ENDED: Final = (Phase.SETTLED, Phase.VOID)
"""The phases that a round ends in; its money may still be moving."""

_STEP_FROM: Final[Mapping[Phase, tuple[Phase, ...]]] = MappingProxyType(
    {
        Phase.LOCKED: (Phase.OPEN,),
        Phase.RUNNING: (Phase.LOCKED,),
        Phase.FINISHED: (Phase.RUNNING,),
        Phase.SETTLED: (Phase.FINISHED,),
        Phase.VOID: (Phase.OPEN, Phase.LOCKED),
    }
)


class Step(IntEnum):
    """What becomes of a wish to bring a round to a phase."""

    TAKE = 1
    DURABLE_ALREADY = 2
    IMPOSSIBLE = 3


def step(now: Phase, wanted: Phase) -> Step:
    """Judge the wish to bring a round that is in `now` to `wanted`; whether the content agrees is for the caller."""
    if now in _STEP_FROM[wanted]:
        return Step.TAKE
    if now is wanted or (wanted is not Phase.VOID and now is not Phase.VOID and now > wanted):
        return Step.DURABLE_ALREADY
    return Step.IMPOSSIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A runner with its chance and its prices; they are 0 on a card, and where a market is not offered."""

    runner: int
    name: str
    weight: int
    win_price_hundredths: int
    place_price_hundredths: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """How long the parts of a round last."""

    betting_window_ms: int
    lock_ms: int
    race_ms: int
    finish_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The least and the greatest stake of a line, and the risk that the house takes; a risk of 0 is without limit.

    `selection_payout_max_minor` bounds what one selection may come to pay, `round_loss_max_minor` what the house may
    come to lose on a round, `payout_max_minor` what one ticket is paid.
    """

    stake_min_minor: int
    stake_max_minor: int
    selection_payout_max_minor: int = 0
    round_loss_max_minor: int = 0
    payout_max_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What was accepted on a round; `payout_minor_max` is what it would pay if every line won."""

    tickets: int
    stake_minor: int
    payout_minor_max: int


NOTHING_SOLD: Final = Totals(tickets=0, stake_minor=0, payout_minor_max=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """All that is fixed before the first ticket.

    `terms` are a message of `furlong.common.v1` that the store does not read. Without `locks_at_ms`, in milliseconds
    since the Unix epoch, the round locks after its timetable's betting window. `seed_chain_no` is 0 for a seed of no
    chain.
    """

    track: str
    card_id: int
    race_name: str
    distance_m: int
    runners: Sequence[Runner]
    timetable: Timetable
    limits: Limits
    return_bps: int
    commitment: bytes
    sealed_seed: bytes
    terms: bytes = b""
    locks_at_ms: int = 0
    seed_chain_no: int = 0
    seed_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as it is stored. Empty bytes, an empty result and an empty reason mean that it has none (yet).

    `posting` says that something was decided on it whose money has not been moved to the end. `positions` go with
    `result`, and are empty without dead heats.
    """

    round_id: int
    track: str
    phase: Phase
    revision: int
    transition_seq: int
    epoch: int
    opens_at: datetime
    locks_at: datetime
    starts_at: datetime
    finishes_at: datetime
    ends_at: datetime
    card_id: int
    race_name: str
    distance_m: int
    currency: str
    runners: Sequence[Runner]
    limits: Limits
    return_bps: int
    commitment: bytes
    sealed_seed: bytes
    server_seed: bytes
    tickets_root: bytes
    result: Sequence[int]
    totals: Totals
    payout_minor: int
    void_reason: str
    void_actor: str
    correction_reason: str
    correction_actor: str
    posting: bool
    escrow_account_id: str
    terms: bytes = b""
    positions: Sequence[int] = ()
    withdrawn: Sequence[int] = ()
    price_revision: int = 0
    beacon_signature: bytes = b""


def due(stored: Round, wanted: Phase) -> datetime | None:
    """When the step to `wanted` may be taken at the earliest; None where the state alone decides."""
    match wanted:
        case Phase.LOCKED:
            return stored.locks_at
        case Phase.RUNNING:
            return stored.starts_at
        case Phase.FINISHED:
            return stored.finishes_at
        case Phase.OPEN | Phase.SETTLED | Phase.VOID:
            return None


def delayed(stored: Round, now: datetime) -> Round:
    """The round with its race starting now, where that is later than it should: what follows moves by as much."""
    late = now - stored.starts_at
    if late <= timedelta():
        return stored
    return dataclasses.replace(
        stored, starts_at=now, finishes_at=stored.finishes_at + late, ends_at=stored.ends_at + late
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """A selection that pays; `numerator` over `denominator` is the part of the stake that wins.

    A `refund` gives the stake back instead.
    """

    market: int
    selection: bytes
    numerator: int
    denominator: int
    refund: bool = False
