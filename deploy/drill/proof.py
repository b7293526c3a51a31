"""The proof: every invariant looked for in one snapshot of a database, and what there is in it.

Nothing is written. Rows are read from the tables and not by way of indexes, so that an index which lies hides nothing.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from furlong.common.v1.ticket_pb2 import TicketResult

from deploy.drill.evidence import Connection, Extent, Faults, Finding, Invariant, Seen
from deploy.drill.invariants import INVARIANTS

PREPARE: Final = """
SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL jit = off; SET LOCAL work_mem = '64MB';
SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_nestloop = off
"""
"""Statistics may be older than most of the rows; without indexes a nested loop over what seems empty never ends."""

EXTENT: Final = "SELECT coalesce(min(coalesce(lower_bound::bigint, 1)), 1) FROM partitions_of('tickets')"

CONTENTS: Final = """
SELECT (SELECT count(*) FROM tracks) AS tracks, (SELECT count(*) FROM rounds) AS rounds,
    (SELECT count(*) FROM tickets) AS tickets, (SELECT max(placed_at) FROM tickets) AS newest_ticket_at,
    (SELECT max(made_at) FROM transitions) AS newest_transition_at,
    pg_database_size(current_database()) AS bytes
"""

VERDICTS: Final = "SELECT verdict, count(*) AS keys FROM request_keys GROUP BY verdict ORDER BY verdict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What there is in a database; `verdicts` counts the stored answers by their names."""

    tracks: int
    rounds: int
    tickets: int
    newest_ticket_at: datetime | None
    newest_transition_at: datetime | None
    bytes: int
    first_round: int
    verdicts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What there is, what holds and what does not."""

    contents: Contents
    findings: Sequence[Finding]
    seconds: float

    @property
    def holds(self) -> bool:
        """Tell whether every invariant holds."""
        return all(finding.holds for finding in self.findings)


class NotFurlong(Exception):
    """The database is not one of Furlong's; the message says what is missing."""


async def prove(database_url: str, invariants: Sequence[Invariant] = INVARIANTS) -> Proof:
    """Look for every invariant. Raises NotFurlong, and what asyncpg raises."""
    began_s = time.monotonic()
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "furlong-drill"})
    try:
        if not await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
            raise NotFurlong("the database has no table alembic_version: no schema of Furlong's was ever made in it")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(PREPARE)
            contents = await _contents(connection)
            extent = Extent(first_round=contents.first_round)
            findings = [await _found(connection, invariant, extent) for invariant in invariants]
    finally:
        await connection.close()
    return Proof(contents=contents, findings=findings, seconds=time.monotonic() - began_s)


async def _found(connection: Connection, invariant: Invariant, extent: Extent) -> Finding:
    began_s = time.monotonic()
    try:
        async with connection.transaction():  # one that cannot be looked at does not end the others
            seen = await invariant.look(connection, extent)
    except asyncpg.PostgresError as error:
        seen = _unreadable(error)
    return Finding(name=invariant.name, says=invariant.says, seen=seen, seconds=time.monotonic() - began_s)


def _unreadable(error: asyncpg.PostgresError) -> Seen:
    """What cannot be read cannot be proved, which is a fault like any other."""
    faults = Faults()
    faults.add(f"cannot be looked at: {error}")
    return faults.seen({})


async def _contents(connection: Connection) -> Contents:
    row = await connection.fetchrow(CONTENTS)
    assert row is not None, "counting gives a row"
    verdicts = {_verdict(row["verdict"]): row["keys"] for row in await connection.fetch(VERDICTS)}
    return Contents(**dict(row), first_round=await connection.fetchval(EXTENT), verdicts=verdicts)


def _verdict(number: int) -> str:
    return TicketResult.Verdict.Name(TicketResult.Verdict.ValueType(number))
