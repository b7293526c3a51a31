"""A chunk of a settlement, which pays the winners, or of a void, which gives the stakes back.

Events are written first; what they say is then paid, from the escrow to the accounts that bought the tickets, or among
the prizes where a till sold them. The accounts are locked in ascending order before the first of them is touched.
"""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from typing import Final

import asyncpg

from services.persist.adapters.postgres.chunks import Chunk, Sums
from services.persist.adapters.postgres.database import Connection
from services.persist.adapters.postgres.deciding import as_columns
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.settlement import DecisionKind
from services.persist.domain.ticket import EventKind
from services.persist.domain.winners import decoded

IN_CHUNK: Final = "round_id = $1 AND ticket_id > $2 AND ticket_id <= $3"

CANCELLED_IN_CHUNK: Final = f"SELECT ticket_id FROM events WHERE {IN_CHUNK} AND kind = {EventKind.CANCELLED:d}"

WIN: Final = f"""
WITH won AS (
    SELECT l.ticket_id,
           sum(l.stake_minor * l.price_hundredths * w.numerator / (100 * w.denominator))::bigint AS payout_minor
    FROM (SELECT * FROM lines WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})) AS l
    JOIN unnest($5::smallint[], $6::bytea[], $7::bigint[], $8::bigint[])
        AS w (market, selection, numerator, denominator) USING (market, selection)
    GROUP BY l.ticket_id
), as_events AS (
    INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
    SELECT $1, ticket_id, {EventKind.WON:d}, $4, payout_minor, statement_timestamp() FROM won ORDER BY ticket_id
)
SELECT count(*) AS tickets, coalesce(sum(payout_minor), 0)::bigint AS payout_minor,
    (SELECT sum(stake_minor)::bigint FROM tickets WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK}))
        AS stake_minor
FROM won
"""
"""As in `deciding.py`, for the lines of the chunk."""

VOID: Final = f"""
WITH void AS (
    SELECT ticket_id, stake_minor FROM tickets WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})
), as_events AS (
    INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
    SELECT $1, ticket_id, {EventKind.VOIDED:d}, $4, stake_minor, statement_timestamp() FROM void ORDER BY ticket_id
)
SELECT count(*) AS tickets, sum(stake_minor)::bigint AS payout_minor, sum(stake_minor)::bigint AS stake_minor FROM void
"""

TO_PAY: Final = f"""
SELECT e.ticket_id, e.payout_minor, e.made_at, t.account_id
FROM (SELECT * FROM events WHERE {IN_CHUNK} AND settlement_no = $4 AND kind = $5 AND payout_minor > 0) AS e
JOIN tickets t ON t.round_id = $1 AND t.ticket_id = e.ticket_id
"""

LOCK_PLAYERS: Final = f"""
SELECT count(*) FROM (
    SELECT account_id FROM accounts
    WHERE kind = {AccountKind.PLAYER:d} AND account_id IN (SELECT account_id FROM ({TO_PAY}) AS paid)
    ORDER BY account_id FOR UPDATE
) AS locked
"""

PAY: Final = f"""
WITH paid AS MATERIALIZED (
    SELECT p.*, a.kind = {AccountKind.CASHIER:d} AS at_a_till
    FROM ({TO_PAY}) AS p JOIN accounts a USING (account_id)
), as_transfers AS (
    INSERT INTO transfers
        (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, $6, ticket_id, $4, $7, CASE WHEN at_a_till THEN $8 ELSE account_id END, payout_minor, made_at
    FROM paid ORDER BY ticket_id
), as_claims AS (
    INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
    SELECT ticket_id, $1, $4, $9, payout_minor, made_at FROM paid WHERE at_a_till ORDER BY ticket_id
), as_balances AS (
    UPDATE accounts a SET balance_minor = a.balance_minor + p.payout_minor
    FROM (SELECT account_id, sum(payout_minor)::bigint AS payout_minor FROM paid WHERE NOT at_a_till
          GROUP BY account_id) AS p
    WHERE a.account_id = p.account_id
)
SELECT coalesce(sum(payout_minor) FILTER (WHERE at_a_till), 0)::bigint FROM paid
"""


async def pay_chunk(connection: Connection, chunk: Chunk) -> Sums:
    """Write a chunk's events and move its money, but for what the system's accounts share."""
    if chunk.kind is DecisionKind.SETTLE:
        event, transfer = EventKind.WON, TransferKind.PRIZE
        row = await connection.fetchrow(WIN, *chunk.span, chunk.settlement_no, *as_columns(decoded(chunk.winners)))
    else:
        event, transfer = EventKind.VOIDED, TransferKind.REFUND
        row = await connection.fetchrow(VOID, *chunk.span, chunk.settlement_no)
    assert row is not None, "an aggregate has a row"
    claims_minor = await _pay(connection, chunk, event, transfer) if row["payout_minor"] else 0
    return _sums(row, claims_minor)


async def _pay(connection: Connection, chunk: Chunk, event: EventKind, transfer: TransferKind) -> int:
    """Pay what a chunk's events say; how much of it came among the prizes."""
    events = (*chunk.span, chunk.settlement_no, event)
    await connection.fetchval(LOCK_PLAYERS, *events)
    claims_minor: int = await connection.fetchval(
        PAY, *events, transfer, chunk.escrow_account_id, chunk.prizes_account_id, chunk.currency
    )
    return claims_minor


def _sums(row: asyncpg.Record, claims_minor: int) -> Sums:
    return Sums(
        tickets=row["tickets"],
        stake_minor=row["stake_minor"],
        payout_minor=row["payout_minor"],
        won_by_house_minor=row["stake_minor"] - row["payout_minor"],
        from_escrow_minor=row["stake_minor"],
        claims_minor=claims_minor,
    )
