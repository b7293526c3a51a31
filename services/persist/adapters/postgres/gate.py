"""The gate of a round: what keeps a ticket from being committed after its round has locked.

It is an advisory lock whose key is the round's id, held until the transaction ends. Batches and cancels share it. The
round's lock, a void, a track's suspension and new prices pass it alone: they wait for the transactions in flight, and
whoever comes after them reads what they changed. It queues fairly, which a row lock does not, and comes before the
locks of the accounts' and the round's rows.

Rounds' ids are positive; the keys of the other advisory locks (migrations, the audit, partitions) are negative.
"""

from typing import Final

SHARE: Final = "SELECT pg_advisory_xact_lock_shared($1)"
TAKE_ALONE: Final = "SELECT pg_advisory_xact_lock($1)"


def begin_sharing(round_id: int) -> str:
    """Begin a transaction that shares the gate, in one round trip."""
    return f"BEGIN; SELECT pg_advisory_xact_lock_shared({round_id:d})"


def begin_alone(round_id: int) -> str:
    """Begin a transaction that passes the gate alone, in one round trip.

    Each one more makes a lock under load later by as much as persist is busy.
    """
    return f"BEGIN; SELECT pg_advisory_xact_lock({round_id:d})"
