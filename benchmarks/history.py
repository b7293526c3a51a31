"""Weeks of trade within minutes: the rows that rounds of long ago have left, written by plain SQL to real partitions.

Rounds FIRST_ROUND and on, TICKETS_OF_A_ROUND tickets each, spread evenly over the DAYS before now, were all sold, run
and settled: their keys lie in the partitions of those days, all else in the ranges of those rounds, of which the last
one is the range that new rounds use too. Every ticket has one WIN line; of each player's and of each round's tickets
one in WINS_ONE_IN has won, so that every balance can be told without adding anything up, and the books are right.
"""

import asyncio
from typing import TypeAlias

import asyncpg

from benchmarks.report import progress
from benchmarks.stage import CURRENCY

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FIRST_ROUND = 5_001
TICKETS_OF_A_ROUND = 250
DAYS = 29
PLAYERS = 1_000
CREDIT_MINOR = 1_000_000_000
STAKE_MINOR = 100
PRICE_HUNDREDTHS = 450
PRIZE_MINOR = STAKE_MINOR * PRICE_HUNDREDTHS // 100
WINS_ONE_IN = 5
RUNNERS = 8
BATCH_TICKETS = 125
ROUNDS_AT_ONCE = 400
WRITERS = 2
TRACK = "benchmark-history"

STATEMENT_MS = 600_000

PEOPLE = f"""
INSERT INTO tracks (track, display_name, currency, state, betting_window_ms, lock_ms, race_ms, finish_ms,
    stake_min_minor, stake_max_minor, return_bps)
VALUES ('{TRACK}', 'History', '{CURRENCY}', 2, 30000, 1000, 15000, 6000, 1, 10000000, 9100);
INSERT INTO leases (track) VALUES ('{TRACK}');
INSERT INTO cards (track, name, distance_m, runner_numbers, runner_names, runner_weights)
VALUES ('{TRACK}', 'History Stakes', 1600, '{{1,2,3,4,5,6,7,8}}', '{{a,b,c,d,e,f,g,h}}', '{{1,1,1,1,1,1,1,1}}');
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor)
SELECT uuidv7(), kind, '{CURRENCY}', name, least_minor
FROM (VALUES (3, 'House', NULL), (5, 'Cash', NULL), (6, 'Prizes', 0::bigint)) AS system (kind, name, least_minor);
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor, balance_minor)
SELECT uuidv7(), 1, '{CURRENCY}', 'Player ' || n, 0, {CREDIT_MINOR} FROM generate_series(1, {PLAYERS}) AS n;
INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT 0, 4, gen_random_uuid(), cash.account_id, player.account_id, {CREDIT_MINOR}, clock_timestamp()
FROM accounts AS player, accounts AS cash WHERE player.kind = 1 AND cash.kind = 5;
UPDATE accounts SET balance_minor = -{CREDIT_MINOR * PLAYERS}::bigint WHERE kind = 5;
"""

PARTITIONS = f"""
SELECT make_partition('request_keys', 'request_keys_day_' || to_char(day, 'YYYYMMDD'),
    first_id_of(day::date)::text, first_id_of(day::date + 1)::text)
FROM generate_series((clock_timestamp() AT TIME ZONE 'UTC')::date - {DAYS + 1},
    (clock_timestamp() AT TIME ZONE 'UTC')::date - 8, interval '1 day') AS day
"""

RANGES = "SELECT make_partitions(round_id) FROM generate_series($1::bigint, $2::bigint, 1000) AS round_id"

OLD = f"""
CREATE TEMP TABLE old_rounds ON COMMIT DROP AS
SELECT round_id, uuidv7() AS escrow_account_id,
    clock_timestamp() - {DAYS} * interval '1 day' * ($3::float8 - (round_id - {FIRST_ROUND})) / $3 AS opens_at
FROM generate_series($1::bigint, $2::bigint) AS round_id
"""

OLD_TICKETS = f"""
CREATE TEMP TABLE old_tickets ON COMMIT DROP AS
SELECT r.round_id, r.opens_at, r.escrow_account_id, place, players.account_id,
    uuidv7(r.opens_at - clock_timestamp() + place * interval '100 ms') AS ticket_id,
    (place + n / {PLAYERS}) % {WINS_ONE_IN} = 0 AS won
FROM old_rounds AS r, generate_series(0, {TICKETS_OF_A_ROUND - 1}) AS place,
    LATERAL (SELECT (r.round_id - {FIRST_ROUND}) * {TICKETS_OF_A_ROUND} + place AS n) AS numbered,
    LATERAL (SELECT ($1::uuid[])[1 + n % {PLAYERS}] AS account_id) AS players
ORDER BY round_id, place
"""

OLD_ROUNDS_LEFT = f"""
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor)
SELECT escrow_account_id, 4, '{CURRENCY}', 'Escrow', 0 FROM old_rounds;
INSERT INTO rounds (round_id, track, phase, revision, transition_seq, epoch, opens_at, locks_at, starts_at, finishes_at,
    ends_at, card_id, race_name, distance_m, currency, runner_numbers, runner_names, runner_weights, runner_win_prices,
    stake_min_minor, stake_max_minor, return_bps, commitment, sealed_seed, result, payout_minor, escrow_account_id)
OVERRIDING SYSTEM VALUE
SELECT round_id, '{TRACK}', 5, 5, 5 * (round_id - {FIRST_ROUND - 1}), 1, opens_at, opens_at + interval '30 s',
    opens_at + interval '31 s', opens_at + interval '46 s', opens_at + interval '52 s', card_id, name, distance_m,
    '{CURRENCY}', runner_numbers, runner_names, runner_weights, runner_weights, 1, 10000000, 9100, sha256('seed'),
    'sealed', runner_numbers, {TICKETS_OF_A_ROUND // WINS_ONE_IN * PRIZE_MINOR}, escrow_account_id
FROM old_rounds, cards WHERE track = '{TRACK}';
INSERT INTO transitions (track, transition_seq, round_id, phase, made_at, stored_round)
SELECT '{TRACK}', 5 * (round_id - {FIRST_ROUND}) + phase, round_id, phase, opens_at, decode(repeat('00', 300), 'hex')
FROM old_rounds, generate_series(1, 5) AS phase;
INSERT INTO exposure (round_id, market, selection, tickets, stake_minor, payout_minor_max)
SELECT round_id, least(runner, 1), CASE WHEN runner > 0 THEN set_byte('\\x00', 0, runner) ELSE '' END, 1, 1, 1
FROM old_rounds, generate_series(0, {RUNNERS}) AS runner;
INSERT INTO batches (round_id, batch_id, tickets, sub_root)
SELECT round_id, nextval('batch_id'), {BATCH_TICKETS}, sha256('root')
FROM old_rounds, generate_series(1, {TICKETS_OF_A_ROUND // BATCH_TICKETS});
INSERT INTO settlements (round_id, settlement_no, kind, request_id, winners, tickets_paid, stake_minor, payout_minor)
SELECT round_id, 1, 1, uuidv7(), '\\x0101', {TICKETS_OF_A_ROUND // WINS_ONE_IN}, {TICKETS_OF_A_ROUND * STAKE_MINOR},
    {TICKETS_OF_A_ROUND // WINS_ONE_IN * PRIZE_MINOR}
FROM old_rounds;
INSERT INTO postings (round_id, settlement_no, chunk, tickets_paid, stake_minor, payout_minor)
SELECT round_id, settlement_no, 1, tickets_paid, stake_minor, payout_minor
FROM settlements JOIN old_rounds USING (round_id);
INSERT INTO request_keys (request_id, round_id, decided_at, verdict, content_hash, reason)
SELECT ticket_id, round_id, opens_at, 1, sha256('sent'), '' FROM old_tickets;
INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at)
SELECT round_id, ticket_id, account_id, 1, 1 + place % {BATCH_TICKETS}, {STAKE_MINOR}, opens_at FROM old_tickets;
INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
SELECT round_id, ticket_id, 1, 1, set_byte('\\x00', 0, CASE WHEN won THEN 1 ELSE 2 END), {STAKE_MINOR},
    {PRICE_HUNDREDTHS}
FROM old_tickets;
INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT round_id, 1, ticket_id, account_id, escrow_account_id, {STAKE_MINOR}, opens_at FROM old_tickets;
INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
SELECT round_id, ticket_id, 1, 1, {PRIZE_MINOR}, opens_at FROM old_tickets WHERE won;
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT round_id, 2, ticket_id, 1, escrow_account_id, account_id, {PRIZE_MINOR}, opens_at FROM old_tickets WHERE won;
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT round_id, 5, uuidv7(), 1, escrow_account_id, account_id,
    {TICKETS_OF_A_ROUND * STAKE_MINOR - TICKETS_OF_A_ROUND // WINS_ONE_IN * PRIZE_MINOR}, opens_at
FROM old_rounds, accounts WHERE kind = 3 AND currency = '{CURRENCY}';
"""

BALANCES = f"""
UPDATE accounts SET balance_minor = balance_minor + CASE kind
    WHEN 1 THEN $1::bigint / {PLAYERS * WINS_ONE_IN} * {PRIZE_MINOR - WINS_ONE_IN * STAKE_MINOR}
    ELSE $1::bigint / {WINS_ONE_IN} * {WINS_ONE_IN * STAKE_MINOR - PRIZE_MINOR} END
WHERE kind IN (1, 3)
"""

SELL = f"""
CREATE TEMP TABLE sold ON COMMIT DROP AS
SELECT uuidv7() AS ticket_id, ($2::uuid[])[1 + n % {PLAYERS}] AS account_id, 1 + n % {RUNNERS} AS runner
FROM generate_series(0, $1::integer - 1) AS n
"""

SOLD_LEFT = f"""
INSERT INTO request_keys (request_id, round_id, decided_at, verdict, content_hash, reason)
SELECT ticket_id, $1, clock_timestamp(), 1, sha256('sent'), '' FROM sold;
INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at)
SELECT $1, ticket_id, account_id, 1, 1, {STAKE_MINOR}, clock_timestamp() FROM sold;
INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
SELECT $1, ticket_id, 1, 1, set_byte('\\x00', 0, runner), {STAKE_MINOR}, {PRICE_HUNDREDTHS} FROM sold;
INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT $1, 1, ticket_id, account_id, escrow_account_id, {STAKE_MINOR}, clock_timestamp()
FROM sold, rounds WHERE round_id = $1;
INSERT INTO batches (round_id, batch_id, tickets, sub_root)
SELECT $1, nextval('batch_id'), count(*), sha256('root') FROM sold;
UPDATE accounts AS a SET balance_minor = balance_minor - paid.stake_minor
FROM (SELECT account_id, count(*) * {STAKE_MINOR} AS stake_minor FROM sold GROUP BY account_id) AS paid
WHERE a.account_id = paid.account_id;
UPDATE accounts SET balance_minor = balance_minor + (SELECT count(*) FROM sold) * {STAKE_MINOR}
WHERE account_id = (SELECT escrow_account_id FROM rounds WHERE round_id = $1);
UPDATE exposure SET tickets = n, stake_minor = n * {STAKE_MINOR}, payout_minor_max = n * {PRIZE_MINOR}
FROM (SELECT count(*) AS n FROM sold) AS counted WHERE round_id = $1 AND market = 0;
"""

SUM = "SELECT sum(balance_minor)::bigint FROM accounts"


async def open_players(database_url: str) -> list[str]:
    """Make the system's accounts and PLAYERS players with money, in a database that has nothing; the players' ids."""
    connection = await _connect(database_url)
    try:
        await connection.execute(PEOPLE)
        return [str(row["account_id"]) for row in await connection.fetch(_PLAYERS)]
    finally:
        await connection.close()


async def write(database_url: str, tickets: int) -> None:
    """Write so many tickets of the past, a multiple of PLAYERS * WINS_ONE_IN, after `open_players`."""
    assert tickets % (PLAYERS * WINS_ONE_IN) == 0, "every player has as many tickets, and wins as often"
    rounds = tickets // TICKETS_OF_A_ROUND
    last = FIRST_ROUND + rounds - 1
    connection = await _connect(database_url)
    try:
        players = [row["account_id"] for row in await connection.fetch(_PLAYERS)]
        await connection.execute(PARTITIONS)
        await connection.fetch(RANGES, FIRST_ROUND, last)
        firsts = iter(range(FIRST_ROUND, last + 1, ROUNDS_AT_ONCE))

        async def write_some() -> None:
            own = await _connect(database_url)
            try:
                for first in firsts:
                    through = min(first + ROUNDS_AT_ONCE - 1, last)
                    async with own.transaction():
                        await own.execute(OLD, first, through, rounds)
                        await own.execute(OLD_TICKETS, players)
                        await own.execute(OLD_ROUNDS_LEFT)
                    progress(f"  {(through - FIRST_ROUND + 1) * TICKETS_OF_A_ROUND:,} of {tickets:,} old tickets")
            finally:
                await own.close()

        await asyncio.gather(*(write_some() for _ in range(WRITERS)))
        await connection.execute(BALANCES, tickets)
        await connection.execute(f"ALTER TABLE rounds ALTER COLUMN round_id RESTART WITH {last + 1}")
        assert await connection.fetchval(SUM) == 0, "the books are right"
        progress("  as autovacuum leaves it")
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def sell(database_url: str, round_id: int, tickets: int) -> None:
    """Sell tickets of an open round on which nothing was sold, as many on each runner."""
    connection = await _connect(database_url)
    try:
        players = [row["account_id"] for row in await connection.fetch(_PLAYERS)]
        async with connection.transaction():
            await connection.execute(SELL, tickets, players)
            await connection.execute(SOLD_LEFT.replace("$1", str(round_id)))
    finally:
        await connection.close()


_PLAYERS = "SELECT account_id FROM accounts WHERE kind = 1 ORDER BY account_id"


async def _connect(database_url: str) -> Connection:
    """A connection for long work; what it writes may be lost in a crash, for it is thrown away anyway."""
    connection: Connection = await asyncpg.connect(
        database_url,
        server_settings={
            "synchronous_commit": "off",
            "statement_timeout": str(STATEMENT_MS),
            "maintenance_work_mem": "256MB",
            "work_mem": "256MB",
            "temp_buffers": "256MB",
        },
    )
    return connection
