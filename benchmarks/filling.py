"""A round sold out within seconds: the rows that placing would have left, written by plain SQL.

Nothing is placed here and nothing is measured; what comes after is. Tickets have one WIN line each and are bought by
players by chance. Every fifth bets on the first runner, the others on the rest.
"""

from typing import TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

STAKE_MINOR = 100
CREDIT_MINOR = 1_000_000_000
PRICE_HUNDREDTHS = 450
WINNING_RUNNER = 1
WINS_ONE_IN = 5
TICKETS_OF_A_BATCH = 200
TICKETS_AT_ONCE = 100_000

OPEN_PLAYERS = """
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor, balance_minor)
SELECT uuidv7(), 1, $2, 'Player ' || n, 0, $3 FROM generate_series(1, $1::integer) AS n
RETURNING account_id
"""

CREDIT_PLAYERS = """
WITH credited AS (
    INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT 0, 4, gen_random_uuid(), cash.account_id, player, $3, clock_timestamp()
    FROM unnest($1::uuid[]) AS player, (SELECT account_id FROM accounts WHERE currency = $2 AND kind = 5) AS cash
)
UPDATE accounts SET balance_minor = balance_minor - $3 * cardinality($1::uuid[]) WHERE currency = $2 AND kind = 5
"""

SELL = f"""
WITH sold AS MATERIALIZED (
    SELECT uuidv7() AS ticket_id, n, 1 + (n - 1) % {TICKETS_OF_A_BATCH} AS place,
        ($4::uuid[])[1 + (hashint4(n) & 2147483647) % cardinality($4::uuid[])] AS account_id,
        set_byte('\\x00', 0, CASE n % {WINS_ONE_IN} WHEN 0 THEN {WINNING_RUNNER} ELSE 2 + n % ($5 - 1) END) AS selection
    FROM generate_series($2::integer, $3::integer) AS n
), as_keys AS (
    INSERT INTO request_keys (request_id, round_id, verdict, content_hash, reason, decided_at)
    SELECT ticket_id, $1, 1, sha256('filled'), '', clock_timestamp() FROM sold
), as_tickets AS (
    INSERT INTO tickets (round_id, ticket_id, account_id, batch_id, batch_place, stake_minor, placed_at)
    SELECT $1, ticket_id, account_id, 1 + (n - 1) / {TICKETS_OF_A_BATCH}, place, {STAKE_MINOR}, clock_timestamp()
    FROM sold
), as_transfers AS (
    INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, 1, ticket_id, account_id, $6, {STAKE_MINOR}, clock_timestamp() FROM sold
), as_batches AS (
    INSERT INTO batches (round_id, batch_id, tickets, sub_root)
    SELECT $1, 1 + (n - 1) / {TICKETS_OF_A_BATCH}, count(*), sha256('filled') FROM sold GROUP BY 2
)
INSERT INTO lines (round_id, ticket_id, line, market, selection, stake_minor, price_hundredths)
SELECT $1, ticket_id, 1, 1, selection, {STAKE_MINOR}, {PRICE_HUNDREDTHS} FROM sold
"""

PAY_STAKES = """
UPDATE accounts a SET balance_minor = a.balance_minor - paid.stake_minor
FROM (SELECT account_id, sum(stake_minor)::bigint AS stake_minor FROM tickets WHERE round_id = $1 GROUP BY account_id)
    AS paid
WHERE a.account_id = paid.account_id
"""

TAKE_STAKES = "UPDATE accounts SET balance_minor = balance_minor + $2 WHERE account_id = $1"

EXPOSE = f"""
WITH selections AS (
    SELECT $1::bigint AS round_id, market, selection, count(*) AS tickets, sum(stake_minor)::bigint AS stake_minor,
        sum(stake_minor * price_hundredths / 100)::bigint AS payout_minor_max
    FROM lines WHERE round_id = $1 GROUP BY market, selection
), as_selections AS (
    INSERT INTO exposure (round_id, market, selection, tickets, stake_minor, payout_minor_max) SELECT * FROM selections
)
UPDATE exposure SET tickets = $2, stake_minor = $2::bigint * {STAKE_MINOR},
    payout_minor_max = (SELECT sum(payout_minor_max) FROM selections)
WHERE round_id = $1 AND market = 0
"""


async def open_players(connection: Connection, count: int, currency: str) -> list[str]:
    """Open players' accounts with money in them; their ids."""
    async with connection.transaction():
        players = [row["account_id"] for row in await connection.fetch(OPEN_PLAYERS, count, currency, CREDIT_MINOR)]
        await connection.execute(CREDIT_PLAYERS, players, currency, CREDIT_MINOR)
    return [str(player) for player in players]


async def sell(connection: Connection, round_id: int, tickets: int, players: list[str], runners: int) -> None:
    """Sell tickets of an open round on which nothing was sold, and let the server notice how much there is now."""
    escrow = await connection.fetchval("SELECT escrow_account_id FROM rounds WHERE round_id = $1", round_id)
    async with connection.transaction():
        for first in range(1, tickets + 1, TICKETS_AT_ONCE):
            last = min(first + TICKETS_AT_ONCE - 1, tickets)
            await connection.execute(SELL, round_id, first, last, players, runners, escrow)
        await connection.execute(PAY_STAKES, round_id)
        await connection.execute(TAKE_STAKES, escrow, tickets * STAKE_MINOR)
        await connection.execute(EXPOSE, round_id, tickets)
    await connection.execute("VACUUM (ANALYZE)")  # as autovacuum will have done where tickets come one by one
