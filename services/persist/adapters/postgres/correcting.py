"""A chunk of a correction: read what the tickets concerned hold, correct them by the rules, write what that moves.

The first half of the chunks goes through the round's tickets and pays the right prizes, the second goes through them
again and takes the wrong ones back, so that where a chunk ends makes no difference to what an account can give back.
What can be claimed at a till is taken out first: a till that pays one of the tickets has it before or not at all. Then
the players' accounts are locked in ascending order.
"""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from services.persist.adapters.postgres.chunks import Chunk, Sums
from services.persist.adapters.postgres.database import Connection
from services.persist.adapters.postgres.payouts import (
    COLUMNS,
    as_columns,
    capped,
    greatest,
    line_gets_back,
    line_wins,
    winners_from,
)
from services.persist.adapters.postgres.settling import CANCELLED_IN_CHUNK, IN_CHUNK
from services.persist.adapters.postgres.tickets import ticket_of
from services.persist.domain.account import AccountKind, TransferKind
from services.persist.domain.correction import Affected, Move, reversals, right_prizes
from services.persist.domain.ticket import EventKind
from services.persist.domain.winners import decoded

_FIRST_BEFORE: Final = 4
_FIRST_NOW: Final = _FIRST_BEFORE + COLUMNS
_MOST: Final = f"${_FIRST_NOW + COLUMNS}::bigint"
_SETTLEMENT_NO: Final = f"${_FIRST_NOW + COLUMNS + 1}"

AFFECTED: Final = f"""
SELECT ticket_id, CASE WHEN wins_minor IS NOT NULL THEN {capped("wins_minor", "back_minor", _MOST)} END AS prize_minor,
    (wins_minor + back_minor)::bigint AS uncapped_minor
FROM (
    SELECT l.ticket_id,
        sum({line_wins("b")}) AS wins_before_minor, sum({line_gets_back("b")}) AS back_before_minor,
        sum({line_wins()}) AS wins_minor, sum({line_gets_back()}) AS back_minor
    FROM (SELECT * FROM lines WHERE {IN_CHUNK} AND ticket_id NOT IN ({CANCELLED_IN_CHUNK})) AS l
    LEFT JOIN {winners_from(_FIRST_BEFORE, "b")} USING (market, selection)
    LEFT JOIN {winners_from(_FIRST_NOW)} USING (market, selection)
    GROUP BY l.ticket_id
) AS paid
WHERE (wins_before_minor, back_before_minor) IS DISTINCT FROM (wins_minor, back_minor)
"""
"""The tickets that the decision before pays otherwise than this one; a sum over no winning line is null."""

TAKE_CLAIMS: Final = f"""
DELETE FROM unclaimed u USING ({AFFECTED}) AS affected WHERE u.ticket_id = affected.ticket_id
RETURNING u.ticket_id, u.amount_minor
"""

LOCK_PLAYERS: Final = f"""
SELECT account_id, balance_minor - floor_minor AS spare_minor FROM accounts
WHERE kind = {AccountKind.PLAYER:d} AND account_id IN (
    SELECT t.account_id FROM ({AFFECTED}) AS affected CROSS JOIN LATERAL ({ticket_of("$1", "affected.ticket_id")}) AS t)
ORDER BY account_id FOR UPDATE
"""

READ: Final = f"""
SELECT affected.ticket_id, affected.prize_minor, affected.uncapped_minor, t.account_id,
    a.kind = {AccountKind.CASHIER:d} AS at_a_till,
    (SELECT coalesce(sum(CASE kind WHEN {TransferKind.PRIZE:d} THEN amount_minor ELSE -amount_minor END), 0)::bigint
     FROM transfers WHERE round_id = $1 AND kind IN ({TransferKind.PRIZE:d}, {TransferKind.REVERSAL:d})
        AND reference = affected.ticket_id AND settlement_no < {_SETTLEMENT_NO}) AS held_minor,
    (SELECT coalesce(sum(payout_minor), 0)::bigint FROM events e
     WHERE e.round_id = $1 AND e.ticket_id = affected.ticket_id AND e.kind = {EventKind.PAID:d}) AS paid_minor,
    (SELECT coalesce(sum(payout_minor), 0)::bigint FROM events e
     WHERE e.round_id = $1 AND e.ticket_id = affected.ticket_id AND e.kind = {EventKind.EXPIRED:d}) AS expired_minor
FROM ({AFFECTED}) AS affected CROSS JOIN LATERAL ({ticket_of("$1", "affected.ticket_id")}) AS t
JOIN accounts a ON a.account_id = t.account_id
ORDER BY affected.ticket_id
"""

WRITE_EVENTS: Final = """
INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at, payout_uncapped_minor)
SELECT $1, ticket_id, kind, $2, payout_minor, statement_timestamp(), payout_uncapped_minor
FROM unnest($3::uuid[], $4::smallint[], $5::bigint[], $6::bigint[])
    AS e (ticket_id, kind, payout_minor, payout_uncapped_minor)
"""

WRITE_TRANSFERS: Final = """
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at)
SELECT $1, kind, ticket_id, $2, debit_account_id, credit_account_id, amount_minor, statement_timestamp()
FROM unnest($3::smallint[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[])
    AS t (kind, ticket_id, debit_account_id, credit_account_id, amount_minor)
"""

WRITE_CLAIMS: Final = """
INSERT INTO unclaimed (ticket_id, round_id, settlement_no, currency, amount_minor, since)
SELECT ticket_id, $1, $2, $3, amount_minor, statement_timestamp()
FROM unnest($4::uuid[], $5::bigint[]) AS c (ticket_id, amount_minor)
"""

WRITE_BALANCES: Final = """
UPDATE accounts a SET balance_minor = a.balance_minor + b.amount_minor
FROM unnest($1::uuid[], $2::bigint[]) AS b (account_id, amount_minor) WHERE a.account_id = b.account_id
"""


async def correct_chunk(connection: Connection, chunk: Chunk) -> Sums:
    """Write a chunk's events and move its money, but for what the system's accounts share."""
    assert chunk.winners_before is not None, "a correction comes after a settlement"
    concerned = (
        *chunk.span,
        *as_columns(decoded(chunk.winners_before)),
        *as_columns(decoded(chunk.winners)),
        greatest(chunk.payout_max_minor),
    )
    taken = [] if chunk.takes_back else await connection.fetch(TAKE_CLAIMS, *concerned)
    players = await connection.fetch(LOCK_PLAYERS, *concerned)
    rows = await connection.fetch(READ, *concerned, chunk.settlement_no)
    claims = {row["ticket_id"]: row["amount_minor"] for row in taken}
    tickets = [_affected(row, claims) for row in rows]
    if chunk.takes_back:
        made = reversals(tickets, {str(row["account_id"]): row["spare_minor"] for row in players})
    else:
        made = right_prizes(tickets)
    await _write(connection, chunk, made)
    return _sums(made)


def _affected(row: asyncpg.Record, claims: Mapping[object, int]) -> Affected:
    at_a_till = row["at_a_till"]
    return Affected(
        ticket_id=str(row["ticket_id"]),
        account_id=str(row["account_id"]),
        at_a_till=at_a_till,
        prize_minor=row["prize_minor"],
        held_minor=claims.get(row["ticket_id"], 0) if at_a_till else row["held_minor"],
        paid_minor=row["paid_minor"],
        expired_minor=row["expired_minor"],
        uncapped_minor=row["uncapped_minor"],
    )


async def _write(connection: Connection, chunk: Chunk, made: Sequence[Move]) -> None:
    told = [(move.ticket.ticket_id, *move.event, move.uncapped_minor) for move in made if move.event is not None]
    await connection.execute(WRITE_EVENTS, chunk.round_id, chunk.settlement_no, *_columns(told, 4))
    await connection.execute(
        WRITE_TRANSFERS, chunk.round_id, chunk.settlement_no, *_columns(_transfers(chunk, made), 5)
    )
    claims = [(move.ticket.ticket_id, move.prize_minor) for move in made if move.ticket.at_a_till and move.prize_minor]
    await connection.execute(WRITE_CLAIMS, chunk.round_id, chunk.settlement_no, chunk.currency, *_columns(claims, 2))
    balances: dict[str, int] = {}
    for move in made:
        if not move.ticket.at_a_till:
            change_minor = move.prize_minor - move.reversal_minor
            balances[move.ticket.account_id] = balances.get(move.ticket.account_id, 0) + change_minor
    await connection.execute(WRITE_BALANCES, *_columns(list(balances.items()), 2))


def _transfers(chunk: Chunk, made: Sequence[Move]) -> list[tuple[object, ...]]:
    """Prizes first, since what is taken back may come out of them."""
    escrow, prizes = chunk.escrow_account_id, chunk.prizes_account_id
    payees = [prizes if move.ticket.at_a_till else move.ticket.account_id for move in made]
    paid: list[tuple[object, ...]] = [
        (TransferKind.PRIZE, move.ticket.ticket_id, escrow, payee, move.prize_minor)
        for move, payee in zip(made, payees, strict=True)
        if move.prize_minor
    ]
    taken_back: list[tuple[object, ...]] = [
        (TransferKind.REVERSAL, move.ticket.ticket_id, payee, escrow, move.reversal_minor)
        for move, payee in zip(made, payees, strict=True)
        if move.reversal_minor
    ]
    return paid + taken_back


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as columns, of which there are as many where there are no rows."""
    return [[row[n] for row in rows] for n in range(width)]


def _sums(made: Sequence[Move]) -> Sums:
    prizes_minor = sum(move.prize_minor for move in made)
    taken_back_minor = sum(move.reversal_minor for move in made)
    return Sums(
        tickets=len(made),
        stake_minor=0,
        payout_minor=prizes_minor,
        won_by_house_minor=taken_back_minor - prizes_minor,
        from_escrow_minor=0,
        claims_minor=sum(move.prize_minor - move.reversal_minor for move in made if move.ticket.at_a_till),
    )
