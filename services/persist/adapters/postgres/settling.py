"""A chunk of a settlement, which pays the winners, or of a void, which gives the stakes back.

Money goes from the escrow to the accounts that bought the tickets, or among the prizes where a till sold them. The
accounts are locked in ascending order before the first of them is touched.
"""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from typing import Final

from services.persist.adapters.postgres.chunks import Chunk, Sums
from services.persist.adapters.postgres.database import Connection
from services.persist.adapters.postgres.deciding import as_columns
from services.persist.adapters.postgres.tickets import ticket_of
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.settlement import DecisionKind
from services.persist.domain.ticket import EventKind
from services.persist.domain.winners import decoded

IN_CHUNK: Final = "round_id = $1 AND ticket_id > $2 AND ticket_id <= $3"

CANCELLED_IN_CHUNK: Final = f"SELECT ticket_id FROM events WHERE {IN_CHUNK} AND kind = {EventKind.CANCELLED:d}"

_WON: Final = f"""
SELECT l.ticket_id,
    sum(l.stake_minor * l.price_hundredths * w.numerator / (100 * w.denominator))::bigint AS payout_minor
FROM (SELECT * FROM lines WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})) AS l
JOIN unnest($10::smallint[], $11::bytea[], $12::bigint[], $13::bigint[])
    AS w (market, selection, numerator, denominator) USING (market, selection)
GROUP BY l.ticket_id
"""
"""What the chunk's tickets have won; a line pays rounded down, as in `deciding.py`."""

_VOID: Final = f"""
SELECT ticket_id, stake_minor AS payout_minor FROM tickets WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})
"""


def _paying(due: str) -> str:
    """Write the statement that pays what is `due` on the tickets of a chunk.

    No transfer is numbered and no balance changes before the last player's account is locked: so a statement of an
    account lists its transfers in the order of its balances.
    """
    return f"""
WITH due AS MATERIALIZED (
    {due}
), paid AS MATERIALIZED (
    SELECT d.ticket_id, d.payout_minor, t.account_id, a.kind = {AccountKind.CASHIER:d} AS at_a_till
    FROM due d CROSS JOIN LATERAL ({ticket_of("$1", "d.ticket_id")}) AS t JOIN accounts a USING (account_id)
    WHERE d.payout_minor > 0
), locked AS MATERIALIZED (
    SELECT account_id FROM accounts WHERE account_id IN (SELECT account_id FROM paid WHERE NOT at_a_till)
    ORDER BY account_id FOR UPDATE
), when_locked AS MATERIALIZED (
    SELECT paid.* FROM (SELECT count(*) FROM locked) AS all_locked CROSS JOIN paid
), as_balances AS (
    UPDATE accounts a SET balance_minor = a.balance_minor + p.payout_minor
    FROM (SELECT account_id, sum(payout_minor)::bigint AS payout_minor FROM when_locked WHERE NOT at_a_till
          GROUP BY account_id) AS p
    WHERE a.account_id = p.account_id
), as_events AS (
    INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
    SELECT $1, ticket_id, $5, $4, payout_minor, statement_timestamp() FROM due ORDER BY ticket_id
), as_transfers AS (
    INSERT INTO transfers
        (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, $6, ticket_id, $4, $7, CASE WHEN at_a_till THEN $8 ELSE account_id END, payout_minor,
        statement_timestamp()
    FROM when_locked ORDER BY ticket_id
), as_claims AS (
    INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
    SELECT ticket_id, $1, $4, $9, payout_minor, statement_timestamp() FROM paid WHERE at_a_till ORDER BY ticket_id
)
SELECT (SELECT count(*) FROM due) AS tickets,
    (SELECT coalesce(sum(payout_minor), 0)::bigint FROM due) AS payout_minor,
    (SELECT coalesce(sum(payout_minor), 0)::bigint FROM paid WHERE at_a_till) AS claims_minor,
    (SELECT sum(stake_minor)::bigint FROM tickets WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK}))
        AS stake_minor
"""


PAY_WINNERS: Final = _paying(_WON)
GIVE_BACK: Final = _paying(_VOID)


async def pay_chunk(connection: Connection, chunk: Chunk) -> Sums:
    """Write a chunk's events and move its money, but for what the system's accounts share."""
    settles = chunk.kind is DecisionKind.SETTLE
    row = await connection.fetchrow(
        PAY_WINNERS if settles else GIVE_BACK,
        *(*chunk.span, chunk.settlement_no),
        *((EventKind.WON, TransferKind.PRIZE) if settles else (EventKind.VOIDED, TransferKind.REFUND)),
        *(chunk.escrow_account_id, chunk.prizes_account_id, chunk.currency),
        *(as_columns(decoded(chunk.winners)) if settles else ()),
    )
    assert row is not None, "an aggregate has a row"
    return Sums(
        tickets=row["tickets"],
        stake_minor=row["stake_minor"],
        payout_minor=row["payout_minor"],
        won_by_house_minor=row["stake_minor"] - row["payout_minor"],
        from_escrow_minor=row["stake_minor"],
        claims_minor=row["claims_minor"],
    )
