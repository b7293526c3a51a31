"""Suspending a part of a track and letting it go on: a market, a runner of the open round, or a terminal.

A suspension passes the gate of the open round alone, as a track's does: it waits for the batches in flight, and
whatever comes later reads it. The track's row is held, so that no round opens unseen meanwhile. To let go on needs no
gate: a batch that does not see it yet refuses a ticket that it might have taken.
"""

from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal, Violation
from services.persist.adapters.postgres import gate
from services.persist.adapters.postgres.database import Connection
from services.persist.domain.suspension import SUSPENSIONS_MAX, Part

HOLD_TRACK: Final = "SELECT true FROM tracks WHERE track = $1 FOR NO KEY UPDATE"

RUNS: Final = "SELECT $2 = ANY(runner_numbers) FROM rounds WHERE round_id = $1"

FORGET_RUNNERS: Final = "DELETE FROM suspensions WHERE track = $1 AND round_id > 0 AND round_id <> $2"
"""A runner's suspension ends with its round, and is taken away with the next that comes."""

COUNT: Final = "SELECT count(*) FROM suspensions WHERE track = $1"

SUSPEND: Final = """
INSERT INTO suspensions (track, market, round_id, runner, terminal, reason, since)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (track, market, round_id, runner, terminal) DO NOTHING
"""

RESUME: Final = """
DELETE FROM suspensions WHERE track = $1 AND market = $2 AND round_id = $3 AND runner = $4 AND terminal = $5
"""


async def suspend(connection: Connection, track: str, part: Part, reason: str) -> bool:
    """Suspend a part; one that is suspended stays so. False where there is no such track.

    Raises Refusal ROUND_PHASE where a runner is named and no round is open, MALFORMED where it does not run or where
    so much is suspended that the whole track should be.
    """
    gated = await gate.pass_open_round(connection, track, None)
    if not await connection.fetchval(HOLD_TRACK, track):
        return False
    # A round may have opened in between. Its gate is taken against the order of locks, but whoever else wants it alone,
    # and this track's row then, is tried again when the two get in each other's way.
    round_id = await gate.pass_open_round(connection, track, gated)
    of_round = await _round_of(connection, track, part, round_id)
    await connection.execute(FORGET_RUNNERS, track, round_id or 0)
    if await connection.fetchval(COUNT, track) >= SUSPENSIONS_MAX:
        raise _malformed(part, f"is one more than the {SUSPENSIONS_MAX} that may be suspended: suspend the track")
    await connection.execute(SUSPEND, track, part.market, of_round, part.runner, part.terminal, reason)
    return True


async def resume(connection: Connection, track: str, part: Part) -> bool:
    """Let a part go on; one that was not suspended goes on anyway. False where there is no such track."""
    if not await connection.fetchval(HOLD_TRACK, track):
        return False
    round_id: int | None = await connection.fetchval(gate.OPEN_ROUND, track)
    of_round = await _round_of(connection, track, part, round_id)
    await connection.execute(RESUME, track, part.market, of_round, part.runner, part.terminal)
    return True


async def _round_of(connection: Connection, track: str, part: Part, round_id: int | None) -> int:
    """The round that a part belongs to: the open one for a runner, else 0, which is every round."""
    if not part.runner:
        return 0
    if round_id is None:
        message = f"track {track} has no open round, and no runners to suspend"
        raise Refusal(Reason.ROUND_PHASE, message, metadata={"track": track})
    if not await connection.fetchval(RUNS, round_id, part.runner):
        raise _malformed(part, f"does not run in round {round_id}")
    return round_id


def _malformed(part: Part, description: str) -> Refusal:
    field = "market" if part.market else "runner" if part.runner else "terminal"
    return Refusal(
        Reason.MALFORMED, f"{part} {description}", violations=[Violation(field=field, description=description)]
    )
