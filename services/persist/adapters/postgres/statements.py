"""Reading the books: an account, its statement, and the trial balance, each in one statement and so in one snapshot."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from services.persist.adapters.postgres.accounts import READ, account_kind, account_of, account_unknown
from services.persist.adapters.postgres.database import Pool
from services.persist.adapters.postgres.round_rows import round_unknown
from services.persist.domain.account import Account, AccountKind, TransferKind
from services.persist.domain.statement import Movement, Place, StatementLine, lines
from services.persist.domain.trial_balance import TrialBalance, TrialRow

READ_STATEMENT: Final = """
SELECT a.kind AS account_kind, a.balance_minor, t.*
FROM accounts a LEFT JOIN LATERAL (
    (SELECT transfer_id, kind, round_id, reference, made_at, reason, actor,
            -amount_minor AS amount_minor, credit_account_id AS other_account_id
     FROM transfers WHERE debit_account_id = $1 AND transfer_id < $2
     ORDER BY transfer_id DESC LIMIT (SELECT $3::bigint))
    UNION ALL
    (SELECT transfer_id, kind, round_id, reference, made_at, reason, actor, amount_minor, debit_account_id
     FROM transfers WHERE credit_account_id = $1 AND kind <> 1 AND transfer_id < $2
     ORDER BY transfer_id DESC LIMIT (SELECT $3::bigint))
    ORDER BY transfer_id DESC LIMIT (SELECT $3::bigint)
) AS t ON true
WHERE a.account_id = $1
ORDER BY t.transfer_id DESC
"""
"""Each side is read along its index, and at most twice the page is sorted. Stakes, kind 1, are credited to escrows
alone, whose statements nobody reads, and are left out of the index.

The planner does not know a limit that a sub-query tells. Otherwise it would read and sort all movements of an account
that it expects to have few."""

READ_TRIAL_BALANCE: Final = """
SELECT currency, kind, count(*) AS accounts,
    coalesce(sum(-balance_minor) FILTER (WHERE balance_minor < 0), 0)::bigint AS debit_minor,
    coalesce(sum(balance_minor) FILTER (WHERE balance_minor > 0), 0)::bigint AS credit_minor,
    sum(balance_minor)::bigint AS balance_minor
FROM accounts GROUP BY currency, kind ORDER BY currency, kind
"""
"""What left an account less what came to it is its balance, so the history, which may be archived, is not needed."""

READ_TRIAL_BALANCE_OF_ROUND: Final = """
WITH moved AS MATERIALIZED (
    SELECT debit_account_id, credit_account_id, sum(amount_minor) AS amount_minor
    FROM transfers WHERE round_id = $1 GROUP BY debit_account_id, credit_account_id
), touched AS (
    SELECT account_id, sum(debit_minor) AS debit_minor, sum(credit_minor) AS credit_minor
    FROM moved CROSS JOIN LATERAL (VALUES (debit_account_id, amount_minor, 0), (credit_account_id, 0, amount_minor))
        AS side (account_id, debit_minor, credit_minor)
    GROUP BY account_id
)
SELECT a.currency, a.kind, count(*) AS accounts, sum(t.debit_minor)::bigint AS debit_minor,
    sum(t.credit_minor)::bigint AS credit_minor, sum(t.credit_minor - t.debit_minor)::bigint AS balance_minor
FROM touched t JOIN accounts a USING (account_id) GROUP BY a.currency, a.kind ORDER BY a.currency, a.kind
"""

AS_OF: Final = (
    "SELECT statement_timestamp() AS as_of, summed.* FROM (SELECT) AS once LEFT JOIN ({sums}) AS summed ON true"
)
"""The moment comes with the sums, and without any."""

ROUND_EXISTS: Final = "SELECT true FROM rounds WHERE round_id = $1"

WITHOUT_STATEMENT: Final = (AccountKind.ESCROW, AccountKind.PRIZES)
"""Tickets move money to these before they lock them, so that they hold the lock for a moment only: the ids of their
transfers are not in the order of their balances. The trial balance tells what they hold."""

NEWEST: Final = 2**63 - 1
"""More than any transfer's id."""


class PostgresLedgerReads:
    """The books as they are now. `long` is for what may take longer than a read of a few rows."""

    def __init__(self, pool: Pool, long: Pool) -> None:
        self._pool = pool
        self._long = long

    async def get(self, account_id: str) -> Account:
        """Read one account. Raises Refusal ACCOUNT_UNKNOWN."""
        row = await self._pool.fetch_row("read_account", READ, account_id)
        if row is None:
            raise account_unknown(account_id)
        return account_of(row)

    async def statement(self, account_id: str, place: Place | None, limit: int) -> Sequence[StatementLine]:
        """Read the movements of an account, the newest first, from `place` on.

        Raises Refusal ACCOUNT_UNKNOWN, or ACCOUNT_KIND for an account that has none, see WITHOUT_STATEMENT.
        """
        before = NEWEST if place is None else place.transfer_id
        rows = await self._pool.fetch("read_statement", READ_STATEMENT, account_id, before, limit)
        if not rows:
            raise account_unknown(account_id)
        if rows[0]["account_kind"] in WITHOUT_STATEMENT:
            raise account_kind(account_id, "one that has a statement")
        balance_minor = rows[0]["balance_minor"] if place is None else place.balance_minor
        return lines([_movement(row) for row in rows if row["transfer_id"] is not None], balance_minor)

    async def trial_balance(self, round_id: int | None) -> TrialBalance:
        """Add up all accounts, or what the transfers of a round have changed. Raises Refusal ROUND_UNKNOWN."""
        if round_id is None:
            rows = await self._long.fetch("read_trial_balance", AS_OF.format(sums=READ_TRIAL_BALANCE))
        else:
            of_round = AS_OF.format(sums=READ_TRIAL_BALANCE_OF_ROUND)
            rows = await self._long.fetch("read_trial_balance_of_round", of_round, round_id)
            if not _rows(rows) and await self._pool.fetch_row("check_round", ROUND_EXISTS, round_id) is None:
                raise round_unknown(round_id)
        return TrialBalance(rows=_rows(rows), as_of=rows[0]["as_of"])


def _movement(row: asyncpg.Record) -> Movement:
    return Movement(
        transfer_id=row["transfer_id"],
        kind=TransferKind(row["kind"]),
        amount_minor=row["amount_minor"],
        other_account_id=str(row["other_account_id"]),
        round_id=row["round_id"],
        reference=str(row["reference"]),
        made_at=row["made_at"],
        reason=row["reason"] or "",
        actor=row["actor"] or "",
    )


def _rows(rows: Sequence[asyncpg.Record]) -> Sequence[TrialRow]:
    return [
        TrialRow(
            kind=AccountKind(row["kind"]),
            currency=row["currency"],
            accounts=row["accounts"],
            debit_minor=row["debit_minor"],
            credit_minor=row["credit_minor"],
            balance_minor=row["balance_minor"],
        )
        for row in rows
        if row["kind"] is not None
    ]
