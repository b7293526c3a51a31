"""The books: double entry, balances, floors, escrows and prizes (invariant 5 of the architecture).

Kinds of accounts: 1 player, 2 cashier, 3 house, 4 escrow, 5 cash, 6 prizes. Kinds of transfers: 1 stake, 2 prize,
3 refund, 4 credit, 5 settlement, 6 payout, 7 adjustment, 8 reversal, 9 expiry. Phases from 5 on have ended.
"""

from typing import Final

from deploy.drill.evidence import Connection, Extent, Invariant, Look, Seen, in_sql

ADDS_UP: Final = in_sql(
    """SELECT (SELECT count(*) FROM transfers) AS transfers, count(*) AS accounts,
           count(DISTINCT currency) AS currencies FROM accounts""",
    """SELECT format('the balances in %s add up to %s', currency, sum(balance_minor)) AS sentence
       FROM accounts GROUP BY currency HAVING sum(balance_minor) <> 0""",
    """SELECT format('transfer %s of round %s moves %s from %s to %s', t.transfer_id, t.round_id, t.amount_minor,
           coalesce(d.currency, 'an account that is not there'),
           coalesce(c.currency, 'an account that is not there')) AS sentence
       FROM transfers t
       LEFT JOIN accounts d ON d.account_id = t.debit_account_id
       LEFT JOIN accounts c ON c.account_id = t.credit_account_id
       WHERE d.currency IS DISTINCT FROM c.currency OR d.currency IS NULL OR t.amount_minor <= 0""",
)

_BALANCES: Final = in_sql(
    "SELECT count(*) AS accounts FROM accounts",
    """SELECT format('account %s holds %s, its transfers add up to %s', account_id, balance_minor, moved_minor)
           AS sentence
       FROM accounts a LEFT JOIN (
           SELECT account_id, sum(amount_minor) AS moved_minor FROM (
               SELECT credit_account_id AS account_id, amount_minor FROM transfers
               UNION ALL SELECT debit_account_id, -amount_minor FROM transfers
           ) AS sides GROUP BY account_id
       ) AS moved USING (account_id)
       WHERE a.balance_minor <> coalesce(moved_minor, 0)""",
)


async def _balances(connection: Connection, extent: Extent) -> Seen:
    if extent.is_whole:
        return await _BALANCES(connection, extent)
    return Seen(
        counted={"accounts": 0},
        left_out=f"transfers of the rounds below {extent.first_round} are in the archive, balances begin before them",
    )


FLOORS: Final = in_sql(
    "SELECT count(*) AS accounts_with_a_floor FROM accounts WHERE floor_minor IS NOT NULL",
    """SELECT format('account %s holds %s, its floor is %s', account_id, balance_minor, floor_minor) AS sentence
       FROM accounts WHERE balance_minor < floor_minor""",
)

ESCROWS: Final = in_sql(
    """SELECT count(*) FILTER (WHERE phase >= 5) AS rounds_ended, count(*) FILTER (WHERE phase < 5) AS rounds_going_on
       FROM rounds""",
    """SELECT format('round %s has ended and its money has moved, its escrow holds %s', round_id, balance_minor)
           AS sentence
       FROM rounds r JOIN accounts a ON a.account_id = r.escrow_account_id
       WHERE r.phase >= 5 AND NOT r.posting AND a.balance_minor <> 0""",
    """SELECT format('round %s: its escrow holds %s, the stakes of its tickets are %s', r.round_id, a.balance_minor,
           coalesce(stake_minor, 0)) AS sentence
       FROM rounds r JOIN accounts a ON a.account_id = r.escrow_account_id LEFT JOIN (
           SELECT t.round_id, sum(t.stake_minor) AS stake_minor FROM tickets t
           LEFT JOIN events e ON e.round_id = t.round_id AND e.ticket_id = t.ticket_id AND e.kind = 3
           WHERE e.ticket_id IS NULL GROUP BY t.round_id
       ) AS held ON held.round_id = r.round_id
       WHERE r.phase < 5 AND NOT r.posting AND r.round_id >= $1 AND a.balance_minor <> coalesce(stake_minor, 0)""",
    """SELECT format('the escrow %s of round %s is not there', escrow_account_id, round_id) AS sentence
       FROM rounds r LEFT JOIN accounts a ON a.account_id = r.escrow_account_id WHERE a.account_id IS NULL""",
)

PRIZES: Final = in_sql(
    "SELECT count(*) AS claims, coalesce(sum(amount_minor), 0)::bigint AS minor FROM unclaimed",
    """SELECT format('PRIZES in %s hold %s, what can be claimed is %s', currency, balance_minor,
           coalesce(claims_minor, 0)) AS sentence
       FROM accounts a LEFT JOIN (
           SELECT currency, sum(amount_minor) AS claims_minor FROM unclaimed GROUP BY currency
       ) AS claims USING (currency)
       WHERE a.kind = 6 AND a.balance_minor <> coalesce(claims_minor, 0)""",
)


def _invariant(name: str, says: str, look: Look) -> Invariant:
    return Invariant(name=name, says=says, look=look)


BOOKS: Final = (
    _invariant("books", "every transfer has two ends in one currency, all balances of a currency add up to 0", ADDS_UP),
    _invariant("balances", "every balance is the sum of the account's transfers", _balances),
    _invariant("floors", "no balance is below its floor", FLOORS),
    _invariant("escrows", "the escrow of a round that is over is empty, of another it holds the stakes", ESCROWS),
    _invariant("prizes", "what can be claimed at tills is what PRIZES hold", PRIZES),
)
