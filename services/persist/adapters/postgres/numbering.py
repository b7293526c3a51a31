"""Transitions get the track's next number and are written down, in the transaction that makes them.

The track's row, which numbers them, is taken last, so that nobody waits for it longer than a commit takes.
"""

import dataclasses
from collections.abc import Callable
from typing import Final

from services.persist.adapters.postgres.database import Connection
from services.persist.domain.round import Phase, Round

NEXT_SEQ: Final = "UPDATE tracks SET transition_seq = transition_seq + 1 WHERE track = $1 RETURNING transition_seq"

RECORD: Final = """
INSERT INTO transitions (track, transition_seq, round_id, phase, stored_round) VALUES ($1, $2, $3, $4, $5)
"""

CHANGE: Final = """
WITH recorded AS (
    INSERT INTO transitions (track, transition_seq, round_id, phase, stored_round) VALUES ($21, $4, $1, $2, $22)
)
UPDATE rounds SET phase = $2, revision = $3, transition_seq = $4, epoch = $5, tickets_root = $6, result = $7,
    server_seed = $8, payout_minor = $9, void_reason = $10, void_actor = $11, correction_reason = $12,
    correction_actor = $13, posting = $14, positions = $15, withdrawn = $16, beacon_signature = $17, starts_at = $18,
    finishes_at = $19, ends_at = $20
WHERE round_id = $1
"""


class Numbering:
    """Numbers transitions. `snapshot` renders a round as ListTransitions will give it out."""

    def __init__(self, snapshot: Callable[[Round], bytes]) -> None:
        self._snapshot = snapshot

    async def number(self, connection: Connection, changed: Round, phase: Phase, epoch: int | None) -> Round:
        """Give the transition the track's next number and write it down; without an epoch the round keeps its own."""
        numbered = dataclasses.replace(
            changed,
            phase=phase,
            revision=changed.revision + 1,
            transition_seq=await connection.fetchval(NEXT_SEQ, changed.track),
            epoch=changed.epoch if epoch is None else epoch,
        )
        await connection.execute(
            CHANGE,
            *(numbered.round_id, numbered.phase, numbered.revision, numbered.transition_seq, numbered.epoch),
            *(numbered.tickets_root, numbered.result, numbered.server_seed, numbered.payout_minor),
            *(numbered.void_reason, numbered.void_actor),
            *(numbered.correction_reason, numbered.correction_actor, numbered.posting),
            *(numbered.positions, numbered.withdrawn, numbered.beacon_signature),
            *(numbered.starts_at, numbered.finishes_at, numbered.ends_at),
            *(numbered.track, self._snapshot(numbered)),
        )
        return numbered

    async def record(self, connection: Connection, made: Round) -> Round:
        """Write down the round as it is right after its first transition, which has its number."""
        await connection.execute(
            RECORD, made.track, made.transition_seq, made.round_id, made.phase, self._snapshot(made)
        )
        return made
