"""Rounds: transitions without gaps, phases and epochs that never go back, one decision each (4, 8 to 10)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import asyncpg
from furlong.common.v1.round_pb2 import Round
from furlong.persist.v1.round_store_service_pb2 import StoredRound

from deploy.drill.evidence import Connection, Extent, Faults, Invariant, Seen, in_sql

ROWS_AT_ONCE: Final = 1_000
LED: Final = frozenset((Round.OPEN, Round.LOCKED, Round.RUNNING, Round.FINISHED))
"""Phases that only the holder of a track's epoch brings a round to."""

READ: Final = """
SELECT track, transition_seq, round_id, phase, made_at, stored_round FROM transitions ORDER BY track, transition_seq
"""

GAPLESS: Final = in_sql(
    "SELECT count(*) AS transitions, count(DISTINCT track) AS tracks FROM transitions",
    """SELECT format('transition %s of %s comes after %s', transition_seq, track, before) AS sentence FROM (
           SELECT track, transition_seq,
               coalesce(lag(transition_seq) OVER (PARTITION BY track ORDER BY transition_seq), 0) AS before
           FROM transitions
       ) AS numbered WHERE transition_seq <> before + 1""",
    """SELECT format('%s has counted %s transitions, the last one is %s', t.track, t.transition_seq,
           coalesce(made.last, 0)) AS sentence
       FROM tracks t LEFT JOIN (
           SELECT track, max(transition_seq) AS last FROM transitions GROUP BY track
       ) AS made ON made.track = t.track
       WHERE t.transition_seq <> coalesce(made.last, 0)""",
    """SELECT format('transition %s of %s was made %s before the one before it', transition_seq, track,
           before - made_at) AS sentence FROM (
           SELECT track, transition_seq, made_at,
               lag(made_at) OVER (PARTITION BY track ORDER BY transition_seq) AS before
           FROM transitions
       ) AS ordered WHERE made_at < before""",
)

DECIDED_ONCE: Final = in_sql(
    """SELECT count(*) AS decisions, count(*) FILTER (WHERE kind = 1) AS settled,
           count(*) FILTER (WHERE kind = 2) AS voided, count(*) FILTER (WHERE kind = 3) AS corrected,
           (SELECT count(*) FROM postings) AS chunks_posted FROM settlements""",
    """SELECT format('the decisions of round %s are %s', round_id,
           string_agg(format('%s: %s', settlement_no, kind), ', ' ORDER BY settlement_no)) AS sentence
       FROM settlements GROUP BY round_id
       HAVING min(settlement_no) <> 1 OR max(settlement_no) <> count(*)
           OR bool_or((kind = 3) <> (settlement_no > 1)) OR (bool_or(kind = 2) AND count(*) > 1)""",
    """SELECT format('round %s, decision %s has %s chunks, posted are %s of them, the last is %s%s', s.round_id,
           s.settlement_no, cardinality(s.chunk_ends), coalesce(p.chunks, 0), coalesce(p.last, 0),
           CASE WHEN r.posting THEN '' ELSE ', and its posting is over' END) AS sentence
       FROM settlements s JOIN rounds r USING (round_id) LEFT JOIN (
           SELECT round_id, settlement_no, count(*) AS chunks, max(chunk) AS last
           FROM postings GROUP BY round_id, settlement_no
       ) AS p ON p.round_id = s.round_id AND p.settlement_no = s.settlement_no
       WHERE coalesce(p.chunks, 0) <> coalesce(p.last, 0) OR coalesce(p.last, 0) > cardinality(s.chunk_ends)
           OR (NOT r.posting AND coalesce(p.chunks, 0) <> cardinality(s.chunk_ends))""",
    """SELECT format('round %s has ended with %s tickets sold, and nothing was decided on it', r.round_id, e.tickets)
           AS sentence
       FROM rounds r JOIN exposure e ON e.round_id = r.round_id AND e.market = 0
       LEFT JOIN settlements s ON s.round_id = r.round_id
       WHERE r.phase >= 5 AND e.tickets > 0 AND s.round_id IS NULL""",
)


async def phases(connection: Connection, extent: Extent) -> Seen:
    """Follow each round and each track through its transitions, with the round as each of them left it."""
    del extent  # transitions are never detached
    faults, counted = Faults(), 0
    phase_of: dict[int, int] = {}
    epoch_of_round: dict[int, int] = defaultdict(int)
    epoch_of_track: dict[str, int] = defaultdict(int)
    last: dict[int, asyncpg.Record] = {}
    async for row in connection.cursor(READ, prefetch=ROWS_AT_ONCE):
        counted += 1
        track, round_id, phase = row["track"], row["round_id"], row["phase"]
        stored = StoredRound.FromString(row["stored_round"])
        name = f"transition {row['transition_seq']} of {track}"
        if (stored.round.round_id, stored.round.phase) != (round_id, phase):
            faults.add(f"{name} brings round {round_id} to {_name(phase)}, its snapshot says otherwise")
        if not _may_follow(phase_of.get(round_id, 0), phase):
            faults.add(f"round {round_id} went from {_name(phase_of.get(round_id, 0))} to {_name(phase)}")
        least = max(epoch_of_round[round_id], epoch_of_track[track] if phase in LED else 0)
        if stored.epoch < least:
            faults.add(f"{name} has epoch {stored.epoch} after {least}")
        phase_of[round_id] = phase
        epoch_of_round[round_id] = max(stored.epoch, epoch_of_round[round_id])
        epoch_of_track[track] = max(stored.epoch, epoch_of_track[track])
        last[round_id] = row
    for row in await connection.fetch("SELECT round_id, phase, transition_seq FROM rounds ORDER BY round_id"):
        _compare(row, last, faults)
    return faults.seen({"rounds": len(phase_of), "transitions": counted})


def _compare(row: asyncpg.Record, last: Mapping[int, asyncpg.Record], faults: Faults) -> None:
    """A round is where its last transition left it."""
    made = last.get(row["round_id"])
    if made is None:
        faults.add(f"round {row['round_id']} has no transition")
    elif (made["phase"], made["transition_seq"]) != (row["phase"], row["transition_seq"]):
        faults.add(
            f"round {row['round_id']} is {_name(row['phase'])} since transition {row['transition_seq']}, "
            f"its last one is {made['transition_seq']} to {_name(made['phase'])}"
        )


def _may_follow(before: int, after: int) -> bool:
    if before == 0:
        return after == Round.OPEN
    if before == Round.SETTLED:
        return after == Round.SETTLED  # a correction
    if after == Round.VOID:
        return before in (Round.OPEN, Round.LOCKED)
    return after == before + 1 and before != Round.VOID


def _name(phase: int) -> str:
    return Round.Phase.Name(Round.Phase.ValueType(phase)) if phase else "nothing"


ROUNDS: Final = (
    Invariant(
        name="transitions", says="a track's transitions are numbered 1, 2, 3, ... as they were made", look=GAPLESS
    ),
    Invariant(name="phases", says="no round goes back, no epoch falls, a round is where it was left", look=phases),
    Invariant(
        name="decisions", says="a round is decided once, corrected after it, posted chunk by chunk", look=DECIDED_ONCE
    ),
)
