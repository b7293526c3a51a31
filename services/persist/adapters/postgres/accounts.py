"""Accounts, and money that comes in from outside."""

from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.operations import once
from services.persist.domain.account import BETTORS, OF_THE_SYSTEM, Account, AccountKind, TransferKind
from services.persist.ports import Operation

OPEN: Final = """
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor, actor) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (account_id) DO NOTHING
RETURNING *
"""

OPEN_OF_THE_SYSTEM: Final = """
INSERT INTO accounts (account_id, kind, currency, display_name, floor_minor)
SELECT gen_random_uuid(), kind, $1, name, floor_minor
FROM unnest($2::smallint[], $3::text[], $4::bigint[]) AS system (kind, name, floor_minor)
ON CONFLICT (currency, kind) WHERE kind IN (3, 5, 6) DO NOTHING
"""

READ: Final = "SELECT * FROM accounts WHERE account_id = $1"

CREDIT: Final = """
UPDATE accounts SET balance_minor = balance_minor + $2 WHERE account_id = $1 AND kind = ANY($3::smallint[])
RETURNING *
"""

PAY_FROM_SYSTEM: Final = """
UPDATE accounts SET balance_minor = balance_minor - $3 WHERE currency = $1 AND kind = $2 RETURNING account_id
"""
"""Takes from the house or from cash, last of all: every other transaction of the currency wants these rows too."""

TRANSFER: Final = """
INSERT INTO transfers
    (round_id, kind, reference, debit_account_id, credit_account_id, amount_minor, made_at, reason, actor)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), $7, $8)
"""

OUTSIDE_OF_ROUNDS: Final = 0


class PostgresLedger:
    """The ledger's accounts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self,
        operation: Operation[Account],
        kind: AccountKind,
        currency: str,
        display_name: str,
        floor_minor: int,
        actor: str,
    ) -> bytes:
        """Open an account whose id is the request's. Raises Refusal REQUEST_REUSED where there is such an account."""

        async def work(connection: Connection) -> Account:
            row = await connection.fetchrow(
                OPEN, operation.request_id, kind, currency, display_name, floor_minor, actor
            )
            if row is None:
                raise Refusal(Reason.REQUEST_REUSED, f"there is an account {operation.request_id} already")
            await open_system_accounts(connection, currency)
            return _account(row)

        return await once(self._pool, operation, work)

    async def credit(
        self, operation: Operation[Account], account_id: str, amount_minor: int, reason: str, actor: str
    ) -> bytes:
        """Move money from outside into a player's or a till's account. Raises Refusal ACCOUNT_UNKNOWN."""

        async def work(connection: Connection) -> Account:
            row = await connection.fetchrow(CREDIT, account_id, amount_minor, sorted(BETTORS))
            if row is None:
                raise account_unknown(account_id)
            cash = await connection.fetchval(PAY_FROM_SYSTEM, row["currency"], AccountKind.CASH, amount_minor)
            assert cash is not None, "every currency with an account has its cash"
            await connection.execute(
                TRANSFER,
                OUTSIDE_OF_ROUNDS,
                TransferKind.CREDIT,
                operation.request_id,
                cash,
                account_id,
                amount_minor,
                reason,
                actor,
            )
            return _account(row)

        return await once(self._pool, operation, work)

    async def get(self, account_id: str) -> Account:
        """Read one account. Raises Refusal ACCOUNT_UNKNOWN."""
        row = await self._pool.fetch_row("read_account", READ, account_id)
        if row is None:
            raise account_unknown(account_id)
        return _account(row)


async def open_system_accounts(connection: Connection, currency: str) -> None:
    """Open the house, the cash and the prizes of a currency where they are missing. Only prizes have a floor, 0."""
    names = [kind.name.capitalize() for kind in OF_THE_SYSTEM]
    floors_minor = [0 if kind is AccountKind.PRIZES else None for kind in OF_THE_SYSTEM]
    await connection.execute(OPEN_OF_THE_SYSTEM, currency, OF_THE_SYSTEM, names, floors_minor)


def _account(row: asyncpg.Record) -> Account:
    return Account(
        account_id=str(row["account_id"]),
        kind=AccountKind(row["kind"]),
        currency=row["currency"],
        display_name=row["display_name"],
        balance_minor=row["balance_minor"],
        floor_minor=row["floor_minor"],
        blocked=row["blocked"],
    )


def account_unknown(account_id: str) -> Refusal:
    """The refusal of whoever names an account that does not exist."""
    return Refusal(Reason.ACCOUNT_UNKNOWN, f"no account {account_id}", metadata={"account_id": account_id})
