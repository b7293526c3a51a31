"""Paying out a round: the winners' prizes, or everybody's stakes when it is void.

Accounts are locked in ascending order before they are touched, the house and the escrow after them. The house's part
moves first, so that not even between two transfers the escrow falls below zero.
"""

from collections.abc import Sequence
from typing import Final

from services.persist.adapters.postgres.accounts import PAY_FROM_SYSTEM, TRANSFER
from services.persist.adapters.postgres.database import Connection
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.round import Round, Winner
from services.persist.domain.ticket import EventKind
from services.persist.domain.winners import canonical

WIN: Final = """
WITH won AS (
    SELECT l.ticket_id,
           sum(l.stake_minor * l.price_hundredths * w.numerator / (100 * w.denominator))::bigint AS payout_minor
    FROM lines l
    JOIN unnest($2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[])
        AS w (market, selection, numerator, denominator) USING (market, selection)
    WHERE l.round_id = $1
    GROUP BY l.ticket_id
), as_events AS (
    INSERT INTO events (round_id, ticket_id, kind, payout_minor, made_at)
    SELECT $1, ticket_id, $6, payout_minor, clock_timestamp() FROM won
)
SELECT count(*) AS tickets, coalesce(sum(payout_minor), 0)::bigint AS payout_minor FROM won
"""
"""A line pays rounded down: all factors are positive, so integer division does it, as in `domain/payout.py`."""

VOID: Final = """
INSERT INTO events (round_id, ticket_id, kind, payout_minor, made_at)
SELECT round_id, ticket_id, $2, stake_minor, clock_timestamp() FROM tickets WHERE round_id = $1
"""

PAY: Final = """
INSERT INTO transfers (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT e.round_id, $2, e.ticket_id, $4, t.account_id, e.payout_minor, e.made_at
FROM events e JOIN tickets t USING (round_id, ticket_id)
WHERE e.round_id = $1 AND e.kind = $3 AND e.payout_minor > 0
"""

LOCK_PAYEES: Final = """
SELECT count(*) FROM (
    SELECT account_id FROM accounts
    WHERE account_id IN (
        SELECT t.account_id FROM events e JOIN tickets t USING (round_id, ticket_id) WHERE e.round_id = $1)
    ORDER BY account_id FOR UPDATE
) AS locked
"""

CREDIT_PAID: Final = """
UPDATE accounts a SET balance_minor = a.balance_minor + paid.amount_minor
FROM (SELECT credit_account_id, sum(amount_minor)::bigint AS amount_minor
      FROM transfers WHERE round_id = $1 AND kind = $2 GROUP BY credit_account_id) AS paid
WHERE a.account_id = paid.credit_account_id
"""

EMPTY_ESCROW: Final = """
UPDATE accounts SET balance_minor = balance_minor - $2 WHERE account_id = $1 RETURNING balance_minor
"""

DECIDE: Final = """
INSERT INTO settlements (round_id, request_id, winners, tickets_paid, stake_minor, payout_minor)
VALUES ($1, $2, $3, $4, $5, $6)
"""
DECIDED: Final = "SELECT winners FROM settlements WHERE round_id = $1"


async def settle(connection: Connection, stored: Round, request_id: str, winners: Sequence[Winner]) -> int:
    """Pay every winning line at the price its ticket kept, and the rest to the house; the sum of the payouts."""
    won = await connection.fetchrow(
        WIN,
        stored.round_id,
        [winner.market for winner in winners],
        [winner.selection for winner in winners],
        [winner.numerator for winner in winners],
        [winner.denominator for winner in winners],
        EventKind.WON,
    )
    assert won is not None, "an aggregate has a row"
    payout_minor: int = won["payout_minor"]
    stake_minor = stored.totals.stake_minor
    await connection.execute(
        DECIDE, stored.round_id, request_id, canonical(winners), won["tickets"], stake_minor, payout_minor
    )
    await connection.fetchval(LOCK_PAYEES, stored.round_id)
    await _settle_with_house(connection, stored, request_id, stake_minor - payout_minor)
    await _pay(connection, stored, EventKind.WON, TransferKind.PRIZE)
    await _empty_escrow(connection, stored)
    return payout_minor


async def settled_winners(connection: Connection, round_id: int) -> bytes:
    """The winners that a settled round was settled with, in their canonical encoding."""
    winners: bytes = await connection.fetchval(DECIDED, round_id)
    return winners


async def refund(connection: Connection, stored: Round) -> None:
    """Give every stake back."""
    await connection.execute(VOID, stored.round_id, EventKind.VOIDED)
    await connection.fetchval(LOCK_PAYEES, stored.round_id)
    await _pay(connection, stored, EventKind.VOIDED, TransferKind.REFUND)
    await _empty_escrow(connection, stored)


async def _settle_with_house(connection: Connection, stored: Round, request_id: str, won_minor: int) -> None:
    """Move what the house wins (below zero: loses) between it and the escrow."""
    house = await connection.fetchval(PAY_FROM_SYSTEM, stored.currency, AccountKind.HOUSE, -won_minor)
    assert house is not None, "every currency with a track has its house"
    if won_minor == 0:
        return
    ends = (stored.escrow_account_id, house) if won_minor > 0 else (house, stored.escrow_account_id)
    await connection.execute(
        TRANSFER, stored.round_id, TransferKind.SETTLEMENT, request_id, *ends, abs(won_minor), None, None
    )


async def _pay(connection: Connection, stored: Round, event: EventKind, kind: TransferKind) -> None:
    await connection.execute(PAY, stored.round_id, kind, event, stored.escrow_account_id)
    await connection.execute(CREDIT_PAID, stored.round_id, kind)


async def _empty_escrow(connection: Connection, stored: Round) -> None:
    """Every stake has left the escrow by now: to winners, to the house, or back."""
    left_minor = await connection.fetchval(EMPTY_ESCROW, stored.escrow_account_id, stored.totals.stake_minor)
    assert left_minor == 0, f"the escrow of round {stored.round_id} is left with {left_minor}"
