"""Every index has a query that uses it, and stands with it in the documentation."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from furlong.client.identity import uuid7

from services.persist.adapters.postgres import (
    accounts,
    audit,
    chunks,
    deciding,
    expiring,
    fence,
    operations,
    paying,
    round_rows,
    seed_chains,
    statements,
    tickets,
    tracks,
    transitions,
)
from tests.persisting import World, persisting

PAGE = Path(__file__).parents[3] / "docs" / "schema.md"

QUERIES: Mapping[str, tuple[str, str]] = {
    "accounts_pkey": (accounts.READ, ""),
    "accounts_of_the_system": (accounts.PAY_FROM_SYSTEM, "'EUR', 3, 1"),
    "audit_pkey": (audit.HEAD, ""),
    "batches_pkey": (transitions.SUB_ROOTS, ""),
    "cards_by_last_run": (tracks.NEXT_CARD, ""),
    "cards_pkey": (transitions.RUN_CARD, ""),
    "cards_track_name_key": (tracks.PUT_CARD, ""),
    "events_pkey": (tickets.READ_TICKET, f"'{uuid7()}'"),
    "exposure_pkey": (round_rows.READ, ""),
    "leases_track_epoch_key": (fence.FENCE_TRACK, ""),
    "lines_pkey": (tickets.READ_TICKET, f"'{uuid7()}'"),
    "operations_pkey": (operations.READ, ""),
    "postings_pkey": (chunks.NEXT_CHUNKS, ""),
    "request_keys_pkey": (tickets.READ_TICKET, f"'{uuid7()}'"),
    "rounds_by_track": (round_rows.READ_CURRENT, ""),
    "rounds_pkey": (round_rows.READ, ""),
    "rounds_unsettled": (round_rows.READ_UNSETTLED, ""),
    "seed_chains_pkey": (seed_chains.USE, ""),
    "settlements_pkey": (deciding.SETTLED_WITH, ""),
    "suspensions_pkey": (tracks.READ, ""),
    "tickets_pkey": (tickets.READ_TICKET, f"'{uuid7()}'"),
    "tracks_pkey": (tracks.READ, ""),
    "transfers_by_credit": (statements.READ_STATEMENT, ""),
    "transfers_by_debit": (statements.READ_STATEMENT, ""),
    "transfers_pkey": (statements.READ_TRIAL_BALANCE_OF_ROUND, "1500"),
    "transitions_pkey": (round_rows.READ_TRANSITIONS, ""),
    "unclaimed_pkey": (paying.CLAIM, ""),
    "unclaimed_since": (expiring.CLAIM, ""),
}
"""The query of each index, planned without its values, or with these, where they choose the index or the partition."""

RULES = {"alembic_version_pkc", "leases_pkey", "round_prices_pkey", "rounds_one_at_a_time"}
"""Indexes that are there for what they forbid; no query of ours reads along them."""

OURS = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
"""

WHOLE = "SELECT coalesce(p.relname, c.relname) FROM pg_class c LEFT JOIN pg_inherits ON inhrelid = c.oid "
WHOLE += "LEFT JOIN pg_class p ON p.oid = inhparent WHERE c.relname = $1"
"""The index of the whole table that an index of a partition belongs to."""


FILL = """
INSERT INTO tracks (track, display_name, currency, state, betting_window_ms, lock_ms, race_ms, finish_ms,
    stake_min_minor, stake_max_minor, return_bps)
SELECT 'track-' || n, '', 'EUR', 1, 1, 1, 1, 1, 1, 1, 1 FROM generate_series(1, 50) AS n;
INSERT INTO leases (track) SELECT track FROM tracks WHERE track <> 'harbour-mile';
INSERT INTO cards (track, name, distance_m, runner_numbers, runner_names, runner_weights)
SELECT track, 'card ' || n, 0, '{}', '{}', '{}' FROM tracks, generate_series(1, 20) AS n;
INSERT INTO accounts (account_id, kind, currency, floor_minor)
SELECT uuidv7(), 1, 'EUR', 0 FROM generate_series(1, 5000) AS n;
INSERT INTO rounds (track, phase, revision, transition_seq, epoch, opens_at, locks_at, starts_at, finishes_at, ends_at,
    card_id, race_name, distance_m, currency, runner_numbers, runner_names, runner_weights, runner_win_prices,
    stake_min_minor, stake_max_minor, return_bps, commitment, sealed_seed, escrow_account_id)
SELECT 'track-' || 1 + n % 50, 5, 1, n, 1, now(), now() + interval '1 s', now() + interval '2 s',
    now() + interval '3 s', now() + interval '4 s', (SELECT min(card_id) FROM cards), '', 0, 'EUR',
    '{}', '{}', '{}', '{}', 1, 1, 1, sha256('x'), '', (SELECT account_id FROM accounts LIMIT 1)
FROM generate_series(1, 2000) AS n;
INSERT INTO exposure (round_id, market, selection) SELECT round_id, 0, '' FROM rounds ON CONFLICT DO NOTHING;
INSERT INTO transitions (track, transition_seq, round_id, phase, stored_round)
SELECT track, transition_seq, round_id, 5, '' FROM rounds ON CONFLICT DO NOTHING;
INSERT INTO batches (round_id, batch_id, tickets, sub_root)
SELECT round_id, 100000 + n, 1, sha256('x') FROM rounds, generate_series(1, 5) AS n;
INSERT INTO settlements (round_id, request_id, winners, tickets_paid, stake_minor, payout_minor)
SELECT round_id, uuidv7(), '', 0, 0, 0 FROM rounds ON CONFLICT DO NOTHING;
INSERT INTO postings (round_id, settlement_no, chunk, tickets_paid, stake_minor, payout_minor)
SELECT round_id, 1, n, 0, 0, 0 FROM settlements, generate_series(10, 15) AS n;
CREATE TEMP TABLE sold AS SELECT uuidv7() AS id, round_id, account_id
    FROM (SELECT round_id, row_number() OVER () AS n FROM rounds, generate_series(1, 10)) AS r
    JOIN (SELECT account_id, row_number() OVER () AS n FROM accounts WHERE kind = 1) AS a ON a.n = 1 + r.n % 5000;
INSERT INTO request_keys (request_id, round_id, decided_at, verdict, content_hash, reason)
SELECT id, round_id, now(), 1, sha256('x'), '' FROM sold;
INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at)
SELECT round_id, id, account_id, 1, 1, 1, now() FROM sold;
INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
SELECT round_id, id, 1, 1, '\\x01', 1, 200 FROM sold;
INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
SELECT round_id, id, 1, 1, 1, now() FROM sold;
INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT round_id, kind, id, account_id, (SELECT account_id FROM accounts WHERE kind = 3), 1, now()
FROM sold, generate_series(1, 2) AS kind;
INSERT INTO operations (request_id, method, content_hash, response)
SELECT uuidv7(), '', '', '' FROM generate_series(1, 5000);
INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
SELECT id, 1, 1, 'EUR', 1, now() - random() * interval '500 days' FROM sold LIMIT 5000;
INSERT INTO audit (action, subject, actor, reason, previous, hash)
SELECT '', '', '', '', sha256('x'), sha256('x') FROM generate_series(1, 1000);
ANALYZE;
"""
"""Enough of everything that reading all of a table costs more than going along an index."""


async def used(connection: Any, statement: str, values: str) -> set[str]:
    """The indexes that a statement's plan uses."""
    await connection.execute(f"DEALLOCATE ALL; SET plan_cache_mode = force_{'custom' if values else 'generic'}_plan")
    await connection.execute(f"PREPARE asked AS {statement}")
    parameters = await connection.fetchval("SELECT cardinality(parameter_types) FROM pg_prepared_statements")
    arguments = values or ", ".join(["NULL"] * parameters)
    rows = await connection.fetch(f"EXPLAIN (COSTS off) EXECUTE asked{f' ({arguments})' if arguments else ''}")
    plan = "\n".join(row[0] for row in rows)
    names = re.findall(r"(?:Scan(?: Backward)? using|Bitmap Index Scan on|Arbiter Indexes:) (\w+)", plan)
    return {await connection.fetchval(WHOLE, name) for name in names}


async def test_each_index_is_used_by_the_query_that_it_is_there_for(database_url: str) -> None:
    async with persisting(database_url) as stubs:
        await World(stubs, database_url).found()
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    try:
        await connection.execute(FILL)
        await connection.execute("SET enable_seqscan = off")  # for tables that are small in any case, like leases
        found = {index: await used(connection, statement, values) for index, (statement, values) in QUERIES.items()}
        assert {index: names for index, names in found.items() if index not in names} == {}
    finally:
        await connection.close()


async def test_no_index_is_without_a_query_or_a_rule(world: World) -> None:
    assert {row["relname"] for row in await world.sql(OURS)} == set(QUERIES) | RULES


@pytest.mark.parametrize("index", sorted(set(QUERIES) | RULES))
def test_the_page_on_the_schema_names_each_index(index: str) -> None:
    assert f"| `{index}` |" in PAGE.read_text()


def test_the_page_on_the_schema_names_no_index_that_is_not_there() -> None:
    section = PAGE.read_text().partition("## Indexes")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(QUERIES) | RULES
