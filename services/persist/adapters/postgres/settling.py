"""A chunk of a settlement, which pays the winners, or of a void, which gives the stakes back.

Money goes from the escrow to the accounts that bought the tickets, or among the prizes where a till sold them. The
accounts are locked in ascending order before the first of them is touched.
"""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from typing import Final

from services.persist.adapters.postgres.chunks import Chunk, Sums
from services.persist.adapters.postgres.database import Connection
from services.persist.adapters.postgres.payouts import (
    COLUMNS,
    PAYOUT,
    as_columns,
    capped,
    greatest,
    is_plain,
    line_gets_back,
    line_wins,
    winners_from,
)
from services.persist.adapters.postgres.tickets import ticket_of
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.settlement import DecisionKind
from services.persist.domain.ticket import EventKind
from services.persist.domain.winners import decoded

IN_CHUNK: Final = "round_id = $1 AND ticket_id > $2 AND ticket_id <= $3"

CANCELLED_IN_CHUNK: Final = f"SELECT ticket_id FROM events WHERE {IN_CHUNK} AND kind = {EventKind.CANCELLED:d}"

_FIRST_WINNER: Final = 10


def _won(payouts: str) -> str:
    """Write what the chunk's tickets have won."""
    return f"""
SELECT l.ticket_id, {payouts}
FROM (SELECT * FROM lines WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})) AS l
JOIN {winners_from(_FIRST_WINNER)} USING (market, selection)
GROUP BY l.ticket_id
"""


_AT_MOST: Final = capped(f"sum({line_wins()})", f"sum({line_gets_back()})", f"${_FIRST_WINNER + COLUMNS}::bigint")
_WON: Final = _won(f"{PAYOUT} AS payout_minor")
_WON_AT_MOST: Final = _won(
    f"{_AT_MOST} AS payout_minor, sum({line_wins()} + {line_gets_back()})::bigint AS uncapped_minor"
)

_VOID: Final = f"""
SELECT ticket_id, stake_minor AS payout_minor FROM tickets WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})
"""


def _paying(due: str, *, tells_uncapped: bool = False) -> str:
    """Write the statement that pays what is `due` on the tickets of a chunk.

    Where it `tells_uncapped`, the events keep what a ticket would have been paid if that is more.

    No transfer is numbered and no balance changes before the last player's account is locked: so a statement of an
    account lists its transfers in the order of its balances. `NOT IN` sees to it: it reads all that it compares with
    before it answers. The accounts of tills are busy with sales and are not locked.
    """
    column, value = (
        (", payout_uncapped_minor", ", nullif(uncapped_minor, payout_minor)") if tells_uncapped else ("", "")
    )
    return f"""
WITH due AS MATERIALIZED (
    {due}
), paid AS MATERIALIZED (
    SELECT d.ticket_id, d.payout_minor, t.account_id
    FROM due d CROSS JOIN LATERAL ({ticket_of("$1", "d.ticket_id")}) AS t WHERE d.payout_minor > 0
), locked AS MATERIALIZED (
    SELECT account_id FROM accounts
    WHERE account_id IN (SELECT account_id FROM paid) AND kind <> {AccountKind.CASHIER:d}
    ORDER BY account_id FOR UPDATE
), when_locked AS MATERIALIZED (
    SELECT *, account_id NOT IN (SELECT account_id FROM locked) AS at_a_till FROM paid
), as_balances AS (
    UPDATE accounts a SET balance_minor = a.balance_minor + p.payout_minor
    FROM (SELECT account_id, sum(payout_minor)::bigint AS payout_minor FROM when_locked WHERE NOT at_a_till
          GROUP BY account_id) AS p
    WHERE a.account_id = p.account_id
), as_events AS (
    INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at{column})
    SELECT $1, ticket_id, $5, $4, payout_minor, statement_timestamp(){value} FROM due ORDER BY ticket_id
), as_transfers AS (
    INSERT INTO transfers
        (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
    SELECT $1, $6, ticket_id, $4, $7, CASE WHEN at_a_till THEN $8 ELSE account_id END, payout_minor,
        statement_timestamp()
    FROM when_locked ORDER BY ticket_id
), as_claims AS (
    INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
    SELECT ticket_id, $1, $4, $9, payout_minor, statement_timestamp() FROM when_locked WHERE at_a_till
    ORDER BY ticket_id
)
SELECT (SELECT count(*) FROM due) AS tickets,
    (SELECT coalesce(sum(payout_minor), 0)::bigint FROM due) AS payout_minor,
    (SELECT coalesce(sum(payout_minor), 0)::bigint FROM when_locked WHERE at_a_till) AS claims_minor,
    (SELECT sum(stake_minor)::bigint FROM tickets WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK}))
        AS stake_minor
"""


PAY_WINNERS: Final = _paying(_WON)
PAY_WINNERS_AT_MOST: Final = _paying(_WON_AT_MOST, tells_uncapped=True)
GIVE_BACK: Final = _paying(_VOID)


async def pay_chunk(connection: Connection, chunk: Chunk) -> Sums:
    """Write a chunk's events and move its money, but for what the system's accounts share."""
    settles = chunk.kind is DecisionKind.SETTLE
    statement, of_decision = _winners_paid(chunk) if settles else (GIVE_BACK, ())
    row = await connection.fetchrow(
        statement,
        *(*chunk.span, chunk.settlement_no),
        *((EventKind.WON, TransferKind.PRIZE) if settles else (EventKind.VOIDED, TransferKind.REFUND)),
        *(chunk.escrow_account_id, chunk.prizes_account_id, chunk.currency),
        *of_decision,
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


def _winners_paid(chunk: Chunk) -> tuple[str, tuple[object, ...]]:
    """The statement that pays the winners of a decision, and what it takes of it."""
    winners = decoded(chunk.winners)
    if is_plain(winners, chunk.payout_max_minor):
        return PAY_WINNERS, as_columns(winners)
    return PAY_WINNERS_AT_MOST, (*as_columns(winners), greatest(chunk.payout_max_minor))
