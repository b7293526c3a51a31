"""The phases of a round: which step may be taken from where, and when."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from services.persist.domain.round import NOTHING_SOLD, Limits, Phase, Round, Step, due, step

TABLE = """
    now       LOCKED    RUNNING   FINISHED  SETTLED   VOID
    OPEN      take      -         -         -         take
    LOCKED    durable   take      -         -         take
    RUNNING   durable   durable   take      -         -
    FINISHED  durable   durable   durable   take      -
    SETTLED   durable   durable   durable   durable   -
    VOID      -         -         -         -         durable
"""
WORDS = {"take": Step.TAKE, "durable": Step.DURABLE_ALREADY, "-": Step.IMPOSSIBLE}
HEAD, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(now, wanted, outcome) for now, *outcomes in ROWS for wanted, outcome in zip(HEAD[1:], outcomes, strict=True)]


@pytest.mark.parametrize(("now", "wanted", "outcome"), CASES)
def test_a_step_is_taken_is_durable_already_or_is_impossible(now: str, wanted: str, outcome: str) -> None:
    assert step(Phase[now], Phase[wanted]) is WORDS[outcome]


def test_lock_start_and_finish_have_their_times_and_the_others_none() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    times = [at + timedelta(seconds=n) for n in range(5)]
    stored = Round(
        round_id=1,
        track="harbour-mile",
        phase=Phase.OPEN,
        revision=1,
        transition_seq=1,
        epoch=1,
        opens_at=times[0],
        locks_at=times[1],
        starts_at=times[2],
        finishes_at=times[3],
        ends_at=times[4],
        card_id=1,
        race_name="Maiden",
        distance_m=1_600,
        currency="EUR",
        runners=(),
        limits=Limits(stake_min_minor=1, stake_max_minor=2),
        return_bps=9_100,
        commitment=b"",
        sealed_seed=b"",
        server_seed=b"",
        tickets_root=b"",
        result=(),
        totals=NOTHING_SOLD,
        payout_minor=0,
        void_reason="",
        void_actor="",
        correction_reason="",
        correction_actor="",
        posting=False,
        escrow_account_id="",
    )
    assert [due(stored, phase) for phase in Phase] == [None, times[1], times[2], times[3], None, None]
    assert due(dataclasses.replace(stored, phase=Phase.LOCKED), Phase.VOID) is None
