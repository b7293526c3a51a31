"""What moves money finds each ticket by its key, also in a round that was sold after statistics were gathered.

The statistics know rounds by their share of the rows, so of a new one the planner expects a single ticket. It then goes
through the round instead of along the key, once for each ticket: a settlement that takes hours.
"""

import re
from collections.abc import Mapping

import asyncpg
import pytest

from services.persist.adapters.postgres import correcting, proving, settling, tickets
from tests.persisting import World, persisting

SOLD_BEFORE = """
CREATE TEMP TABLE sold AS SELECT uuidv7() AS id FROM generate_series(1, 60000);
INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at)
SELECT 1, id, id, 1, 1, 1, now() FROM sold;
INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
SELECT 1, id, 1, 1, '\\x01', 1, 200 FROM sold;
INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
SELECT 1, id, 1, 1, 1, now() FROM sold;
ANALYZE
"""

FIRST, LAST = "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"
WINNERS = r"'{1}', '{\\x01}', '{1}', '{1}', '{0}'"
CHUNK = f"2, {FIRST}, {LAST}"
PAYING = f"{CHUNK}, 1, 1, 2, {FIRST}, {FIRST}, 'EUR'"

STATEMENTS: Mapping[str, tuple[str, str]] = {
    "pay the winners": (settling.PAY_WINNERS, f"{PAYING}, {WINNERS}"),
    "pay the winners at most": (settling.PAY_WINNERS_AT_MOST, f"{PAYING}, {WINNERS}, 1000"),
    "give the stakes back": (settling.GIVE_BACK, PAYING),
    "lock the players": (correcting.LOCK_PLAYERS, f"{CHUNK}, {WINNERS}, {WINNERS}, NULL"),
    "read what to correct": (correcting.READ, f"{CHUNK}, {WINNERS}, {WINNERS}, NULL, 2"),
    "answer again": (tickets.READ_PLACED, f"'{{2}}', ARRAY[{FIRST}::uuid]"),
    "prove a ticket": (proving.BATCH, f"2, 1, {FIRST}, {LAST}"),
}


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_a_ticket_of_a_round_sold_after_the_statistics_is_found_by_its_key(
    statement: str, database_url: str
) -> None:
    async with persisting(database_url) as stubs:
        await World(stubs, database_url).found()
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    try:
        await connection.execute(SOLD_BEFORE)
        sql, values = STATEMENTS[statement]
        await connection.execute(f"SET plan_cache_mode = force_custom_plan; PREPARE asked AS {sql}")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked ({values})"))
    finally:
        await connection.close()
    found_by = re.findall(r"Index Scan using tickets_\w+ on .*\n\s*Index Cond: (.*)", plan)
    assert found_by, plan
    assert [condition for condition in found_by if "ticket_id" not in condition] == [], plan
