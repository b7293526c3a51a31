"""A round in any phase, for tests: what was drawn follows from SEED, as it would in a real one."""

import hashlib

from services.game.domain.card import RaceCard, Runner
from services.game.domain.draw import commitment, draw
from services.game.domain.phase import WITH_RESULT, Phase
from services.game.domain.prices import priced
from services.game.domain.race import with_race
from services.game.domain.round import Round, StoredRound, Totals
from services.game.domain.timeline import Schedule
from services.game.domain.track import Limits, Timetable, Track

SEED = b"tests/rounds.py, a seed of 32 b."
ROOT = hashlib.sha256(b"").hexdigest()
RUNNERS = (
    Runner(runner=1, name="Early Riser", weight=29),
    Runner(runner=2, name="Late Call", weight=34),
    Runner(runner=4, name="Third Time", weight=37),
)
CARD = RaceCard(card_id=5, name="Maiden Plate", distance_m=1_600, runners=RUNNERS)
TRACK = Track(
    track="harbour-mile",
    display_name="Harbour Mile",
    currency="EUR",
    timetable=Timetable(betting_window_ms=1_000, lock_ms=100, race_ms=900, finish_ms=500),
    limits=Limits(stake_min_minor=10, stake_max_minor=1_000),
    return_bps=9_100,
)
RUN_ON = (Phase.OPEN, Phase.LOCKED, Phase.RUNNING, Phase.FINISHED, Phase.SETTLED)


def stored_round(
    phase: Phase, *, round_id: int = 17, opens_at_ms: int = 1_000_000, transition_seq: int | None = None
) -> StoredRound:
    """A round of TRACK as it would be stored in `phase`."""
    revision = 2 if phase is Phase.VOID else RUN_ON.index(phase) + 1
    root = "" if phase in (Phase.OPEN, Phase.VOID) else ROOT
    result = (
        draw(server_seed=SEED, track=TRACK.track, round_id=round_id, beacon="", tickets_root=root, runners=RUNNERS)
        if phase in WITH_RESULT
        else ()
    )
    stored = StoredRound(
        round=Round(
            round_id=round_id,
            track=TRACK.track,
            phase=phase,
            revision=revision,
            transition_seq=revision if transition_seq is None else transition_seq,
            schedule=schedule_from(opens_at_ms, TRACK.timetable),
            runners=priced(RUNNERS, TRACK.return_bps),
            commitment=commitment(SEED).hex(),
            tickets_root=root,
            result=result,
            totals=Totals(),
            currency=TRACK.currency,
            race_name=CARD.name,
            distance_m=CARD.distance_m,
            limits=TRACK.limits,
            return_bps=TRACK.return_bps,
            void_reason="the lights went out" if phase is Phase.VOID else "",
            correction_reason="",
            payout_minor=0,
        ),
        sealed_seed=b"sealed",
        server_seed=SEED if result else b"",
    )
    return with_race(stored)


def schedule_from(opens_at_ms: int, timetable: Timetable, locks_at_ms: int = 0) -> Schedule:
    """The schedule of a round that opens at this time, as the store would stamp it; 0 is after the betting window."""
    locks_at_ms = locks_at_ms or opens_at_ms + timetable.betting_window_ms
    starts_at_ms = locks_at_ms + timetable.lock_ms
    finishes_at_ms = starts_at_ms + timetable.race_ms
    return Schedule(
        opens_at_ms=opens_at_ms,
        locks_at_ms=locks_at_ms,
        starts_at_ms=starts_at_ms,
        finishes_at_ms=finishes_at_ms,
        ends_at_ms=finishes_at_ms + timetable.finish_ms,
    )
