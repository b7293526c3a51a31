"""The gate of a round: what keeps a ticket from being committed after its round has locked.

It is an advisory lock whose key is the round's id, held until the transaction ends. Batches and cancels share it. The
round's lock, a void, a suspension, of a track or of a part of it, and new prices pass it alone: they wait for the
transactions in flight, and whoever comes after them reads what they changed. It queues fairly, which a row lock does
not, and comes before the locks of the accounts' and the round's rows.

Rounds' ids are positive; the keys of the other advisory locks (migrations, the audit, partitions) are negative.
"""

from typing import Final

from services.persist.adapters.postgres.database import Connection
from services.persist.domain.round import Phase

SHARE: Final = "SELECT pg_advisory_xact_lock_shared($1)"
TAKE_ALONE: Final = "SELECT pg_advisory_xact_lock($1)"
OPEN_ROUND: Final = f"SELECT round_id FROM rounds WHERE track = $1 AND phase = {Phase.OPEN:d}"  # noqa: S608 - a constant


def begin_sharing(round_id: int) -> str:
    """Begin a transaction that shares the gate, in one round trip."""
    return f"BEGIN; SELECT pg_advisory_xact_lock_shared({round_id:d})"


def begin_alone(round_id: int) -> str:
    """Begin a transaction that passes the gate alone, in one round trip.

    Each one more makes a lock under load later by as much as persist is busy.
    """
    return f"BEGIN; SELECT pg_advisory_xact_lock({round_id:d})"


async def pass_open_round(connection: Connection, track: str, passed: int | None) -> int | None:
    """Pass the gate of the track's open round alone, unless that is `passed`; the round, None where none is open."""
    round_id: int | None = await connection.fetchval(OPEN_ROUND, track)
    if round_id not in (None, passed):
        await connection.execute(TAKE_ALONE, round_id)
    return round_id
