"""The physical limit of durable tickets: the very rows that placing left, written again by bare asyncpg.

The rows of a round's newest tickets are read out of every table that keeps something for each ticket, then inserted
with `unnest` into a second database on the same server, which has the same schema and the same durability: a
transaction for each 200 tickets on one connection, no decision, no lock, no balance, no answer to anybody.

The peer writes the same rows as a service without group commit would: a transaction for each ticket, on several
connections.

Run apart it reads `Rows` and prints how many tickets a second it wrote.
"""

import asyncio
import itertools
import json
import os
import sys
import time
import uuid
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from benchmarks.apart import ROOT, run_apart

TICKET_COLUMN: Mapping[str, str] = {
    "request_keys": "request_id",
    "tickets": "ticket_id",
    "lines": "ticket_id",
    "transfers": "reference",
}
"""Every table that gets rows for each accepted ticket, and the column that tells whose they are."""

LIMIT_DATABASE = "furlong_bare_rows"
BATCH_TICKETS = 200
SINGLY_CONNECTIONS = 8
TICKETS_MAX = 40_000
"""How many tickets are kept in memory; when all are written, the tables are emptied and it begins again."""

WRITTEN = f"{', '.join(TICKET_COLUMN)}; 1 connection"
WRITTEN_SINGLY = f"same rows; {SINGLY_CONNECTIONS} connections"

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Columns = Mapping[str, Mapping[str, str]]
"""The types of the columns, by table and name."""


class MigrationFailed(RuntimeError):
    """The second database could not be given the schema; standard error tells why."""


class RowsMissing(RuntimeError):
    """A table of `TICKET_COLUMN` has nothing for a ticket that was accepted: the limit would be for fewer rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The rows of some tickets: for each table, for each column, the values."""

    tickets: int
    columns: Sequence[Sequence[Sequence[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Whose rows to write again, where, and for how long. `singly` writes them as the peer does."""

    source_url: str
    limit_url: str
    round_id: int
    seconds: float
    singly: bool = False


async def prepare(database_url: str) -> str:
    """Make the second database, with the schema of the first; its URL. Raises `MigrationFailed`."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {LIMIT_DATABASE}")
        await connection.execute(f"CREATE DATABASE {LIMIT_DATABASE}")
    finally:
        await connection.close()
    url = urlunsplit(urlsplit(database_url)._replace(path=f"/{LIMIT_DATABASE}"))
    migration = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.persist.migrate", "up"),
        env={**os.environ, "DATABASE_URL": url},
        cwd=ROOT,
        stdout=PIPE,
    )
    await migration.communicate()
    if migration.returncode != 0:
        raise MigrationFailed(f"the migration of {LIMIT_DATABASE} ended with status {migration.returncode}")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP FUNCTION refuse_change CASCADE")  # these rows are written to be thrown away
    finally:
        await connection.close()
    return url


async def write(rows: Rows) -> float:
    """Write the rows again from a process of its own; tickets a second. Raises `ApartFailed`."""
    answer = await run_apart("benchmarks.limits.rows", asdict(rows))
    return float(answer["tickets_per_s"])


async def _write(rows: Rows) -> float:
    tickets_per_batch, connections = (1, SINGLY_CONNECTIONS) if rows.singly else (BATCH_TICKETS, 1)
    async with AsyncExitStack() as stack:
        source = await _connect(stack, rows.source_url)
        columns = {table: await _columns(source, table) for table in TICKET_COLUMN}
        batches = await _read_batches(source, rows.round_id, columns, tickets_per_batch)
        writers = [Writer(await _connect(stack, rows.limit_url), columns) for _ in range(connections)]
        return await _repeat(writers, batches, rows.seconds)


async def _repeat(writers: Sequence["Writer"], batches: Sequence[Batch], seconds: float) -> float:
    """Write all batches, as often as there is time for, each time into empty tables; tickets a second."""
    tickets, busy_s = 0, 0.0
    while busy_s < seconds:
        await writers[0].empty()
        begun_s = time.perf_counter()
        left = iter(batches)
        ends_s = begun_s + seconds - busy_s
        written = await asyncio.gather(*(writer.write(left, ends_s) for writer in writers))
        tickets += sum(written)
        busy_s += time.perf_counter() - begun_s
    return tickets / busy_s


class Writer:
    """One connection that writes batches, each in a transaction of its own."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._connection = connection
        self._inserts = [_insert(table, types) for table, types in columns.items()]

    async def empty(self) -> None:
        """Throw away what was written."""
        await self._connection.execute(f"TRUNCATE {', '.join(TICKET_COLUMN)}")

    async def write(self, batches: Iterator[Batch], ends_s: float) -> int:
        """Write batches until there are none or the time is over; the number of tickets written."""
        inserts = [await self._connection.prepare(insert) for insert in self._inserts]
        tickets = 0
        while time.perf_counter() < ends_s and (batch := next(batches, None)) is not None:
            async with self._connection.transaction():
                for insert, columns in zip(inserts, batch.columns, strict=True):
                    await insert.fetch(*columns)
            tickets += batch.tickets
        return tickets


async def _read_batches(source: Connection, round_id: int, columns: Columns, tickets_per_batch: int) -> list[Batch]:
    """Read the newest tickets' rows, in the order of their ids, which is the order that persist writes them in."""
    newest = "SELECT ticket_id FROM tickets WHERE round_id = $1 ORDER BY placed_at DESC LIMIT $2"
    ticket_ids = sorted(row["ticket_id"] for row in await source.fetch(newest, round_id, TICKETS_MAX))
    rows = {table: await _rows_by_ticket(source, table, columns[table], round_id, ticket_ids) for table in columns}
    return [
        Batch(
            tickets=len(chosen),
            columns=[
                list(zip(*itertools.chain.from_iterable(rows[table][ticket_id] for ticket_id in chosen), strict=True))
                for table in columns
            ],
        )
        for chosen in _portions(ticket_ids, tickets_per_batch)
    ]


async def _rows_by_ticket(
    source: Connection, table: str, columns: Mapping[str, str], round_id: int, ticket_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, list[asyncpg.Record]]:
    ticket = TICKET_COLUMN[table]
    found: dict[uuid.UUID, list[asyncpg.Record]] = {ticket_id: [] for ticket_id in ticket_ids}
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE round_id = $1 AND {ticket} = ANY($2::uuid[])"
    for row in await source.fetch(query, round_id, ticket_ids):
        found[row[ticket]].append(row)
    missing = sum(not rows for rows in found.values())
    if missing:
        raise RowsMissing(f"{table} has no row for {missing} of {len(ticket_ids)} accepted tickets")
    return found


async def _columns(source: Connection, table: str) -> Mapping[str, str]:
    """The columns of a table with their types, in order."""
    rows = await source.fetch(
        """
        SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """,
        table,
    )
    return {row["attname"]: row["type"] for row in rows}


def _insert(table: str, columns: Mapping[str, str]) -> str:
    arrays = ", ".join(f"${number}::{type_name}[]" for number, type_name in enumerate(columns.values(), 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"


def _portions(ticket_ids: Sequence[uuid.UUID], size: int) -> Iterator[Sequence[uuid.UUID]]:
    for start in range(0, len(ticket_ids), size):
        yield ticket_ids[start : start + size]


async def _connect(stack: AsyncExitStack, url: str) -> Connection:
    connection = await asyncpg.connect(url)
    stack.push_async_callback(connection.close)
    return connection


if __name__ == "__main__":
    tickets_per_s = asyncio.run(_write(Rows(**json.load(sys.stdin))))
    print(json.dumps({"tickets_per_s": tickets_per_s}))
