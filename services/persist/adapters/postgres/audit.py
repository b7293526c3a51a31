"""The audit: rows are added to its chain in the transaction of what they tell of, and the chain is read back whole."""

from dataclasses import dataclass
from typing import Final

import asyncpg

from services.persist.adapters.postgres.database import Connection, OwnConnection
from services.persist.domain.audit import BEFORE_THE_FIRST, Action, Entry, link

AUDIT_LOCK: Final = -2
"""The advisory lock of whoever adds a row; rounds use their ids, which are positive, and a migration -1."""

QUEUE: Final = f"SELECT pg_advisory_xact_lock({AUDIT_LOCK})"

HEAD: Final = """
SELECT clock_timestamp() AS now, (SELECT hash FROM audit ORDER BY audit_id DESC LIMIT 1) AS hash
"""

ADD: Final = """
INSERT INTO audit (made_at, action, subject, actor, reason, request_id, previous, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

READ_ALL: Final = """
SELECT audit_id, made_at, action, subject, actor, reason, request_id, previous, hash FROM audit ORDER BY audit_id
"""

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What became of reading the chain: its rows and the hash of the last, up to the first row that does not fit.

    `broken_at` is the id of that row, None where every row fits. `anchored` says that the hash asked for was met.
    """

    rows: int
    head: bytes
    broken_at: int | None
    anchored: bool


async def record(
    connection: Connection, *, action: Action, subject: str, actor: str, reason: str, request_id: str
) -> None:
    """Add a row in the caller's transaction, as the last thing that it does.

    Writers queue here until the one before has committed, so whoever holds this lock must wait for no other.
    """
    await connection.execute(QUEUE)
    head = await connection.fetchrow(HEAD)
    assert head is not None, "a row of values is always there"
    previous = BEFORE_THE_FIRST if head["hash"] is None else head["hash"]
    entry = Entry(
        made_at=head["now"], action=action, subject=subject, actor=actor, reason=reason, request_id=request_id
    )
    await connection.execute(
        ADD, entry.made_at, action, subject, actor, reason, request_id, previous, link(previous, entry)
    )


async def verify(connection: OwnConnection, anchor: bytes) -> Chain:
    """Work the chain out again, up to the first row that does not fit; `anchor` is a hash that must be in it."""
    rows, previous, anchored = 0, BEFORE_THE_FIRST, anchor == BEFORE_THE_FIRST
    async with connection.transaction(readonly=True):
        async for row in connection.cursor(READ_ALL, prefetch=ROWS_AT_ONCE):
            if row["previous"] != previous or row["hash"] != link(previous, _entry(row)):
                return Chain(rows=rows, head=previous, broken_at=row["audit_id"], anchored=anchored)
            rows, previous = rows + 1, row["hash"]
            anchored = anchored or previous == anchor
    return Chain(rows=rows, head=previous, broken_at=None, anchored=anchored)


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        made_at=row["made_at"],
        action=row["action"],
        subject=row["subject"],
        actor=row["actor"],
        reason=row["reason"],
        request_id="" if row["request_id"] is None else str(row["request_id"]),
    )
