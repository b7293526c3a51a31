"""What settling could cost at best, and what it costs one ticket at a time.

The limit writes the very rows that a settlement left, events, transfers and postings, again into empty tables of a
second database: bare asyncpg, one `INSERT ... SELECT FROM unnest` per table and transaction, no reading, no balances.
The peer settles the tickets of another round one by one, each with one statement that works its payout out, writes its
rows and moves its money, committed by itself.

Run apart it reads a `Settled` and prints the seconds that the limit took.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import asyncpg

from benchmarks.apart import run_apart

WRITTEN: Mapping[str, str] = {
    "events": "round_id = $1",
    "transfers": "round_id = $1 AND kind <> 1",
    "postings": "round_id = $1",
}
"""The tables that a settlement writes to, and which of their rows are its own."""

TAKEN_FROM_NOWHERE = "ALTER TABLE postings DROP CONSTRAINT IF EXISTS postings_round_id_settlement_no_fkey"
"""The second database has no decisions that postings could belong to."""

ROWS_AT_ONCE = 10_000

SETTLE_ONE = """
WITH won AS MATERIALIZED (
    SELECT t.ticket_id, t.account_id, sum(l.stake_minor * l.price_hundredths / 100)::bigint AS payout_minor
    FROM tickets t JOIN lines l USING (round_id, ticket_id)
    WHERE t.round_id = $1 AND t.ticket_id = $2 AND l.market = 1 AND l.selection = $3
    GROUP BY t.ticket_id, t.account_id
), as_events AS (
    INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
    SELECT $1, ticket_id, 1, 1, payout_minor, clock_timestamp() FROM won
), as_transfers AS (
    INSERT INTO transfers
        (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, 2, ticket_id, 1, $4, account_id, payout_minor, clock_timestamp() FROM won
), as_escrow AS (
    UPDATE accounts SET balance_minor = balance_minor - payout_minor FROM won WHERE accounts.account_id = $4
)
UPDATE accounts a SET balance_minor = a.balance_minor + won.payout_minor FROM won WHERE a.account_id = won.account_id
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Whose rows to write again, and where."""

    source_url: str
    limit_url: str
    round_id: int


async def write_again(settled: Settled) -> float:
    """Write a settlement's rows again from a process of its own; how many seconds it took. Raises `ApartFailed`."""
    answer = await run_apart("benchmarks.limits.settled", asdict(settled))
    return float(answer["seconds"])


async def settle_one_by_one(connection: Connection, round_id: int, selection: bytes) -> float:
    """Settle a round ticket by ticket, one after another; seconds a ticket."""
    escrow = await connection.fetchval("SELECT escrow_account_id FROM rounds WHERE round_id = $1", round_id)
    tickets = await connection.fetch("SELECT ticket_id FROM tickets WHERE round_id = $1", round_id)
    statement = await connection.prepare(SETTLE_ONE)
    begun_s = time.perf_counter()
    for row in tickets:
        await statement.fetch(round_id, row["ticket_id"], selection, escrow)
    return (time.perf_counter() - begun_s) / len(tickets)


async def _write(settled: Settled) -> float:
    source, limit = await asyncpg.connect(settled.source_url), await asyncpg.connect(settled.limit_url)
    try:
        await limit.execute(TAKEN_FROM_NOWHERE)
        portions = {table: await _read(source, table, where, settled.round_id) for table, where in WRITTEN.items()}
        inserts = {table: await limit.prepare(await _insert(source, table)) for table in WRITTEN}
        await limit.execute(f"TRUNCATE {', '.join(WRITTEN)}")
        begun_s = time.perf_counter()
        for table, columns_of_portions in portions.items():
            for columns in columns_of_portions:
                await inserts[table].fetch(*columns)
        return time.perf_counter() - begun_s
    finally:
        await source.close()
        await limit.close()


async def _read(source: Connection, table: str, where: str, round_id: int) -> Sequence[Sequence[Sequence[Any]]]:
    rows = await source.fetch(f"SELECT * FROM {table} WHERE {where}", round_id)
    return [list(zip(*rows[begin : begin + ROWS_AT_ONCE], strict=True)) for begin in range(0, len(rows), ROWS_AT_ONCE)]


async def _insert(source: Connection, table: str) -> str:
    columns = await source.fetch(
        """
        SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """,
        table,
    )
    arrays = ", ".join(f"${number}::{row['type']}[]" for number, row in enumerate(columns, 1))
    return f"INSERT INTO {table} ({', '.join(row['attname'] for row in columns)}) SELECT * FROM unnest({arrays})"


if __name__ == "__main__":
    print(json.dumps({"seconds": asyncio.run(_write(Settled(**json.load(sys.stdin))))}))
