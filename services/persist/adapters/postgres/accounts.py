"""Accounts, and money that people move by hand: in from outside, out again, or to and from the house."""

from dataclasses import dataclass
from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres import audit
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.adapters.postgres.operations import once
from services.persist.domain.account import BETTORS, OF_THE_SYSTEM, Account, AccountKind, TransferKind
from services.persist.domain.audit import Action
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

LOCK: Final = "SELECT * FROM accounts WHERE account_id = $1 AND kind = ANY($2::smallint[]) FOR UPDATE"
"""Locks no account of the system, whoever names it: those come later in the order of locks."""

SET_BLOCKED: Final = "UPDATE accounts SET blocked = $2 WHERE account_id = $1 RETURNING *"

CREDIT: Final = """
UPDATE accounts SET balance_minor = balance_minor + $2 WHERE account_id = $1 AND kind = ANY($3::smallint[])
RETURNING *
"""

CHANGE: Final = "UPDATE accounts SET balance_minor = balance_minor + $2 WHERE account_id = $1 RETURNING *"

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
            return account_of(row)

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
            return account_of(row)

        return await once(self._pool, operation, work)

    async def pay_out(
        self, operation: Operation[Account], account_id: str, amount_minor: int, reason: str, actor: str
    ) -> bytes:
        """Move money from a player's or a till's account to outside.

        Raises Refusal ACCOUNT_UNKNOWN, ACCOUNT_KIND, ACCOUNT_STOPPED or FUNDS_MISSING.
        """

        async def work(connection: Connection) -> Account:
            account = await lock_account(connection, account_id)
            if account.blocked:
                raise account_stopped(account_id)
            by_hand = _ByHand(operation.request_id, reason, actor)
            return await by_hand.move(
                connection, account, -amount_minor, TransferKind.PAYOUT, AccountKind.CASH, Action.PAY_OUT_ACCOUNT
            )

        return await once(self._pool, operation, work)

    async def adjust(
        self, operation: Operation[Account], account_id: str, amount_minor: int, reason: str, actor: str
    ) -> bytes:
        """Add to a player's or a till's account, or take from it where the amount is below 0; the house has the rest.

        Raises Refusal ACCOUNT_UNKNOWN, ACCOUNT_KIND or FUNDS_MISSING.
        """

        async def work(connection: Connection) -> Account:
            account = await lock_account(connection, account_id)
            by_hand = _ByHand(operation.request_id, reason, actor)
            return await by_hand.move(
                connection, account, amount_minor, TransferKind.ADJUSTMENT, AccountKind.HOUSE, Action.ADJUST_ACCOUNT
            )

        return await once(self._pool, operation, work)

    async def set_blocked(
        self, operation: Operation[Account], account_id: str, blocked: bool, reason: str, actor: str
    ) -> bytes:
        """Block a player's or a till's account or let it go on. Raises Refusal ACCOUNT_UNKNOWN or ACCOUNT_KIND."""

        async def work(connection: Connection) -> Account:
            await lock_account(connection, account_id)
            row = await connection.fetchrow(SET_BLOCKED, account_id, blocked)
            assert row is not None, "an account that is locked is there"
            await audit.record(
                connection,
                action=Action.BLOCK_ACCOUNT if blocked else Action.UNBLOCK_ACCOUNT,
                subject=account_id,
                actor=actor,
                reason=reason,
                request_id=operation.request_id,
            )
            return account_of(row)

        return await once(self._pool, operation, work)


@dataclass(frozen=True, slots=True)
class _ByHand:
    """What somebody wants, and why."""

    request_id: str
    reason: str
    actor: str

    async def move(
        self,
        connection: Connection,
        account: Account,
        amount_minor: int,
        kind: TransferKind,
        other: AccountKind,
        action: Action,
    ) -> Account:
        """Move money between a locked account and one of the system; the account gains what the other one loses."""
        if not account.covers(-amount_minor):
            raise Refusal(
                Reason.FUNDS_MISSING,
                f"the balance of account {account.account_id} would fall below its floor",
                metadata={"account_id": account.account_id},
            )
        row = await connection.fetchrow(CHANGE, account.account_id, amount_minor)
        assert row is not None, "an account that is locked is there"
        other_id = await connection.fetchval(PAY_FROM_SYSTEM, account.currency, other, amount_minor)
        assert other_id is not None, "every currency with an account has its system accounts"
        gains = amount_minor > 0
        await connection.execute(
            TRANSFER,
            *(OUTSIDE_OF_ROUNDS, kind, self.request_id),
            *((other_id, account.account_id) if gains else (account.account_id, other_id)),
            *(abs(amount_minor), self.reason, self.actor),
        )
        await audit.record(
            connection,
            action=action,
            subject=account.account_id,
            actor=self.actor,
            reason=self.reason,
            request_id=self.request_id,
        )
        return account_of(row)


async def lock_account(connection: Connection, account_id: str) -> Account:
    """Lock a player's or a till's account. Raises Refusal ACCOUNT_UNKNOWN, or ACCOUNT_KIND for one of the system."""
    row = await connection.fetchrow(LOCK, account_id, sorted(BETTORS))
    if row is not None:
        return account_of(row)
    if await connection.fetchrow(READ, account_id) is None:
        raise account_unknown(account_id)
    raise account_kind(account_id, "a player's or a till's")


async def open_system_accounts(connection: Connection, currency: str) -> None:
    """Open the house, the cash and the prizes of a currency where they are missing. Only prizes have a floor, 0."""
    names = [kind.name.capitalize() for kind in OF_THE_SYSTEM]
    floors_minor = [0 if kind is AccountKind.PRIZES else None for kind in OF_THE_SYSTEM]
    await connection.execute(OPEN_OF_THE_SYSTEM, currency, OF_THE_SYSTEM, names, floors_minor)


def account_of(row: asyncpg.Record) -> Account:
    """An account from its row."""
    return Account(
        account_id=str(row["account_id"]),
        kind=AccountKind(row["kind"]),
        currency=row["currency"],
        display_name=row["display_name"],
        balance_minor=row["balance_minor"],
        floor_minor=row["floor_minor"],
        blocked=row["blocked"],
    )


def account_kind(account_id: str, wanted: str) -> Refusal:
    """The refusal of an account that is not of the kind that is wanted."""
    return Refusal(Reason.ACCOUNT_KIND, f"account {account_id} is not {wanted}", metadata={"account_id": account_id})


def account_stopped(account_id: str) -> Refusal:
    """The refusal of whoever wants money from a blocked account, or money handed out by it."""
    return Refusal(Reason.ACCOUNT_STOPPED, f"account {account_id} is blocked", metadata={"account_id": account_id})


def account_unknown(account_id: str) -> Refusal:
    """The refusal of whoever names an account that does not exist."""
    return Refusal(Reason.ACCOUNT_UNKNOWN, f"no account {account_id}", metadata={"account_id": account_id})
