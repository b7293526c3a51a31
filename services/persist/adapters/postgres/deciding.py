"""Decisions on a round: who is paid what in all, and where the chunks of the posting end. No money moves here.

The round's row is held by the caller, so a decision sees all that was decided before and nothing comes between.
"""

# ruff: noqa: S608 - statements are put together from constants of ours, from nothing that comes from outside

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
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
from services.persist.domain.round import Round, Winner
from services.persist.domain.settlement import DecisionKind, chunk_tickets
from services.persist.domain.ticket import EventKind
from services.persist.domain.winners import canonical

CANCELLED: Final = f"SELECT ticket_id FROM events WHERE round_id = $1 AND kind = {EventKind.CANCELLED:d}"

SOLD: Final = f"""
SELECT count(*) AS tickets, coalesce(sum(stake_minor), 0)::bigint AS stake_minor
FROM tickets WHERE round_id = $1 AND ticket_id NOT IN ({CANCELLED})
"""
"""A sub-query of `NOT IN` is hashed: cancelled tickets are few, and none of them is asked for by itself."""


def _won(payout: str) -> str:
    return f"""
SELECT count(*) AS tickets_paid, coalesce(sum(payout_minor), 0)::bigint AS payout_minor
FROM (
    SELECT {payout} AS payout_minor
    FROM lines l
    JOIN {winners_from(2)} USING (market, selection)
    WHERE l.round_id = $1 AND l.ticket_id NOT IN ({CANCELLED})
    GROUP BY l.ticket_id
) AS won
"""


WON: Final = _won(PAYOUT)
WON_AT_MOST: Final = _won(capped(f"sum({line_wins()})", f"sum({line_gets_back()})", f"${2 + COLUMNS}::bigint"))
"""The same where a ticket is paid no more than so much, or gets stakes back."""

CHUNK_ENDS: Final = f"""
SELECT array_agg(ticket_id ORDER BY ticket_id) FROM (
    SELECT ticket_id, row_number() OVER in_order AS place, lead(ticket_id) OVER in_order AS next
    FROM tickets WHERE round_id = $1 AND ticket_id NOT IN ({CANCELLED})
    WINDOW in_order AS (ORDER BY ticket_id)
) AS numbered
WHERE place % $2 = 0 OR next IS NULL
"""

DECIDE: Final = """
INSERT INTO settlements (round_id, settlement_no, kind, request_id, winners, tickets_paid, stake_minor, payout_minor,
                         chunk_ends, reason, actor)
SELECT $1, coalesce(max(settlement_no), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10
FROM settlements WHERE round_id = $1
"""

SETTLED_WITH: Final = f"SELECT winners FROM settlements WHERE round_id = $1 AND kind = {DecisionKind.SETTLE:d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a decision comes to. Where nothing is to be posted, the round has no tickets that count."""

    payout_minor: int
    to_post: bool


async def settle(connection: Connection, stored: Round, request_id: str, winners: Sequence[Winner]) -> Decided:
    """Decide who has won."""
    return await _pay_winners(connection, stored, DecisionKind.SETTLE, request_id, winners, "", "")


async def settled_with(connection: Connection, round_id: int) -> bytes | None:
    """The winners that a round was settled with, in their canonical encoding; None where that is not decided."""
    winners: bytes | None = await connection.fetchval(SETTLED_WITH, round_id)
    return winners


async def void(connection: Connection, stored: Round, request_id: str, reason: str, actor: str) -> Decided:
    """Decide that every stake goes back."""
    sold = await connection.fetchrow(SOLD, stored.round_id)
    assert sold is not None, "an aggregate has a row"
    ends = await connection.fetchval(CHUNK_ENDS, stored.round_id, chunk_tickets(sold["tickets"], sold["tickets"])) or []
    await connection.execute(
        DECIDE,
        *(stored.round_id, DecisionKind.VOID, request_id, canonical(())),
        *(sold["tickets"], sold["stake_minor"], sold["stake_minor"], ends, reason, actor),
    )
    return Decided(payout_minor=0, to_post=bool(ends))


async def correct(
    connection: Connection, stored: Round, request_id: str, winners: Sequence[Winner], reason: str, actor: str
) -> Decided:
    """Decide that others have won than was decided last.

    Raises Refusal ROUND_PHASE where tickets of the round are in the archive.
    """
    sold = await connection.fetchrow(SOLD, stored.round_id)
    assert sold is not None, "an aggregate has a row"
    if sold["tickets"] != stored.totals.tickets:
        raise Refusal(
            Reason.ROUND_PHASE,
            f"round {stored.round_id} has sold {stored.totals.tickets} tickets and {sold['tickets']} are here: attach"
            " what was detached for the archive, then correct the round",
            metadata={"round_id": str(stored.round_id)},
        )
    return await _pay_winners(connection, stored, DecisionKind.CORRECT, request_id, winners, reason, actor)


async def _pay_winners(
    connection: Connection,
    stored: Round,
    kind: DecisionKind,
    request_id: str,
    winners: Sequence[Winner],
    reason: str,
    actor: str,
) -> Decided:
    sold = await connection.fetchrow(SOLD, stored.round_id)
    won = await _read_won(connection, stored, winners)
    assert sold is not None, "an aggregate has a row"
    per_chunk = chunk_tickets(sold["tickets"], won["tickets_paid"])
    ends = await connection.fetchval(CHUNK_ENDS, stored.round_id, per_chunk) or []
    if kind is DecisionKind.CORRECT:
        ends = [*ends, *ends]  # once to pay, and once more to take back
    await connection.execute(
        DECIDE,
        *(stored.round_id, kind, request_id, canonical(winners)),
        *(won["tickets_paid"], sold["stake_minor"], won["payout_minor"], ends, reason, actor),
    )
    return Decided(payout_minor=won["payout_minor"], to_post=bool(ends))


async def _read_won(connection: Connection, stored: Round, winners: Sequence[Winner]) -> asyncpg.Record:
    most_minor = stored.limits.payout_max_minor
    if is_plain(winners, most_minor):
        row = await connection.fetchrow(WON, stored.round_id, *as_columns(winners))
    else:
        row = await connection.fetchrow(WON_AT_MOST, stored.round_id, *as_columns(winners), greatest(most_minor))
    assert row is not None, "an aggregate has a row"
    return row
