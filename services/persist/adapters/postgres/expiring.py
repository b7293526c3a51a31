"""Letting go of prizes that nobody has claimed in time: they go to the house, some tickets at a time.

Replicas may do this at once: each takes rows that no other holds. A ticket that is being paid at this moment is passed
over, and expires the next time, or never.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from services.persist.adapters.postgres.accounts import PAY_FROM_SYSTEM
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.ticket import EventKind

CHUNK_TICKETS: Final = 500
"""Tickets that expire in one transaction."""

CLAIM: Final = """
WITH due AS (
    SELECT ticket_id FROM unclaimed WHERE since < clock_timestamp() - $1 * interval '1 day'
    ORDER BY since LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM unclaimed u USING due WHERE u.ticket_id = due.ticket_id
RETURNING u.round_id, u.ticket_id, u.settlement_no, u.currency, u.amount_minor
"""

WRITE: Final = """
WITH expired AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::smallint[], $4::bigint[])
        AS e (round_id, ticket_id, settlement_no, amount_minor)
), as_events AS (
    INSERT INTO events (round_id, ticket_id, settlement_no, kind, payout_minor, made_at)
    SELECT round_id, ticket_id, settlement_no, $5, amount_minor, clock_timestamp() FROM expired
)
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT round_id, $6, ticket_id, settlement_no, $7, $8, amount_minor, clock_timestamp() FROM expired
"""


class PostgresPrizes:
    """What tickets bought at tills can claim."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def expire(self, claim_days: int) -> int:
        """Let up to CHUNK_TICKETS go that have waited so many days; how many that were."""

        async def work(connection: Connection) -> int:
            rows = await connection.fetch(CLAIM, claim_days, CHUNK_TICKETS)
            by_currency: dict[str, list[asyncpg.Record]] = {}
            for row in rows:
                by_currency.setdefault(row["currency"], []).append(row)
            await _move(connection, by_currency)
            return len(rows)

        return await self._pool.transact("expire_prizes", work)


async def _move(connection: Connection, expired: Mapping[str, Sequence[asyncpg.Record]]) -> None:
    """Take from the prizes what expired and give it to the house, in the order of locks: every house, then prizes."""
    sums_minor = {currency: sum(row["amount_minor"] for row in rows) for currency, rows in sorted(expired.items())}
    houses = {
        currency: await connection.fetchval(PAY_FROM_SYSTEM, currency, AccountKind.HOUSE, -sum_minor)
        for currency, sum_minor in sums_minor.items()
    }
    for currency, sum_minor in sums_minor.items():
        prizes = await connection.fetchval(PAY_FROM_SYSTEM, currency, AccountKind.PRIZES, sum_minor)
        assert prizes is not None, "what is unclaimed lies with the prizes of its currency"
        rows = expired[currency]
        await connection.execute(
            WRITE,
            [row["round_id"] for row in rows],
            [row["ticket_id"] for row in rows],
            [row["settlement_no"] for row in rows],
            [row["amount_minor"] for row in rows],
            *(EventKind.EXPIRED, TransferKind.EXPIRY, prizes, houses[currency]),
        )
