"""Reading tickets. A ticket's row never changes: its state is read from its events and its round's phase."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.accounts import READ as READ_ACCOUNT
from services.persist.adapters.postgres.accounts import account_unknown
from services.persist.adapters.postgres.database import Connection, Pool
from services.persist.domain.round import Phase
from services.persist.domain.ticket import EventKind, Line, Ticket, TicketState

TICKET: Final = """
SELECT t.round_id, t.ticket_id, t.account_id, t.stake_minor, t.placed_at, r.currency, r.phase,
    (SELECT array_agg(ROW (l.market, l.selection, l.stake_minor, l.price_hundredths) ORDER BY l.line)
     FROM lines l WHERE l.round_id = t.round_id AND l.ticket_id = t.ticket_id) AS lines,
    e.kind AS event, e.payout_minor
FROM tickets t
JOIN rounds r ON r.round_id = t.round_id
LEFT JOIN events e ON e.round_id = t.round_id AND e.ticket_id = t.ticket_id
"""

_STATE_AFTER: Final = {EventKind.WON: TicketState.WON, EventKind.VOIDED: TicketState.VOIDED}

READ_PLACED: Final = f"""
{TICKET} JOIN unnest($1::bigint[], $2::uuid[]) AS wanted (round_id, ticket_id)
    ON wanted.round_id = t.round_id AND wanted.ticket_id = t.ticket_id
"""

READ_TICKET: Final = f"""
{TICKET} JOIN request_keys k ON k.round_id = t.round_id AND k.request_id = t.ticket_id WHERE k.request_id = $1
"""
"""The key tells the round, and with it the partition that the ticket is in."""

READ_PAGE: Final = f"""
{TICKET} WHERE t.account_id = $1 AND ($2::uuid IS NULL OR t.ticket_id < $2) ORDER BY t.ticket_id DESC LIMIT $3
"""


class PostgresTickets:
    """Tickets as they stand now."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, ticket_id: str) -> Ticket:
        """Read one ticket. Raises Refusal TICKET_UNKNOWN."""
        row = await self._pool.fetch_row("read_ticket", READ_TICKET, ticket_id)
        if row is None:
            raise Refusal(Reason.TICKET_UNKNOWN, f"no ticket {ticket_id}", metadata={"ticket_id": ticket_id})
        return _ticket(row)

    async def page(self, account_id: str, before_ticket_id: str | None, limit: int) -> Sequence[Ticket]:
        """Read the tickets of an account by the time in their ids, the newest first. Raises Refusal ACCOUNT_UNKNOWN."""
        rows = await self._pool.fetch("read_tickets", READ_PAGE, account_id, before_ticket_id, limit)
        if not rows and await self._pool.fetch_row("read_account", READ_ACCOUNT, account_id) is None:
            raise account_unknown(account_id)
        return [_ticket(row) for row in rows]


async def placed_tickets(
    connection: Connection, round_ids: Sequence[int], ticket_ids: Sequence[object]
) -> Mapping[str, Ticket]:
    """Read tickets as they were placed, whatever has happened to them since."""
    rows = await connection.fetch(READ_PLACED, round_ids, ticket_ids)
    return {str(row["ticket_id"]): _as_of(row, TicketState.ACCEPTED, payout_minor=0) for row in rows}


def _ticket(row: asyncpg.Record) -> Ticket:
    if (event := row["event"]) is not None:
        return _as_of(row, _STATE_AFTER[EventKind(event)], payout_minor=row["payout_minor"])
    lost = row["phase"] == Phase.SETTLED  # only winners have an event
    return _as_of(row, TicketState.LOST if lost else TicketState.ACCEPTED, payout_minor=0)


def _as_of(row: asyncpg.Record, state: TicketState, *, payout_minor: int) -> Ticket:
    return Ticket(
        ticket_id=str(row["ticket_id"]),
        round_id=row["round_id"],
        account_id=str(row["account_id"]),
        state=state,
        stake_minor=row["stake_minor"],
        payout_minor=payout_minor,
        placed_at=row["placed_at"],
        lines=[
            Line(market=market, selection=selection, stake_minor=stake_minor, price_hundredths=price_hundredths)
            for market, selection, stake_minor, price_hundredths in row["lines"]
        ],
        currency=row["currency"],
    )
