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
from services.persist.domain.ticket import EventKind, Line, Ticket, TicketEvent, TicketState, standing, uncapped_minor

_SELECT: Final = """
SELECT t.round_id, t.ticket_id, t.account_id, t.stake_minor, t.placed_at, t.terminal, r.currency, r.phase, r.withdrawn,
    (SELECT array_agg(ROW (l.market, l.selection, l.stake_minor, l.price_hundredths) ORDER BY l.line)
     FROM lines l WHERE l.round_id = t.round_id AND l.ticket_id = t.ticket_id) AS lines,
    (SELECT array_agg(ROW (e.kind, e.settlement_no, e.payout_minor, e.payout_uncapped_minor))
     FROM events e WHERE e.round_id = t.round_id AND e.ticket_id = t.ticket_id) AS events
"""


def ticket_of(round_id: str, ticket_id: str) -> str:
    """Write the sub-query, to be joined laterally, for the one ticket with a key.

    The limit says what is so anyway, and keeps the planner from joining in another way than by the key: where the
    statistics are older than the round, it expects a single ticket in it, and would go through all of them for each.
    """
    return f"SELECT * FROM tickets WHERE round_id = {round_id} AND ticket_id = {ticket_id} LIMIT 1"  # noqa: S608 - both are ours


TICKET: Final = f"{_SELECT} FROM tickets t JOIN rounds r ON r.round_id = t.round_id"

READ_PLACED: Final = f"""
{_SELECT} FROM unnest($1::bigint[], $2::uuid[]) AS wanted (round_id, ticket_id)
CROSS JOIN LATERAL ({ticket_of("wanted.round_id", "wanted.ticket_id")}) AS t JOIN rounds r ON r.round_id = t.round_id
"""

READ_TICKET: Final = f"""
{TICKET} JOIN request_keys k ON k.round_id = t.round_id AND k.request_id = t.ticket_id WHERE k.request_id = $1
"""
"""The key tells the round, and with it the partition that the ticket is in."""

_STAKES: Final = """
SELECT round_id, reference, transfer_id FROM transfers WHERE debit_account_id = $1 AND kind = 1 AND transfer_id < $2
ORDER BY transfer_id DESC LIMIT (SELECT $3::bigint)
"""
"""An account's tickets are the stakes, kind 1, that it has paid; its transfers are in order already.

The planner does not know a limit that a sub-query tells, and goes along the index however many it expects."""

READ_PAGE: Final = f"""
{_SELECT}, stake.transfer_id
FROM ({_STAKES}) AS stake
CROSS JOIN LATERAL ({ticket_of("stake.round_id", "stake.reference")}) AS t
JOIN rounds r ON r.round_id = t.round_id
ORDER BY stake.transfer_id DESC
"""


class PostgresTickets:
    """Tickets as they stand now."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, ticket_id: str) -> Ticket:
        """Read one ticket. Raises Refusal TICKET_UNKNOWN."""
        row = await self._pool.fetch_row("read_ticket", READ_TICKET, ticket_id)
        if row is None:
            raise ticket_unknown(ticket_id)
        return _ticket(row)

    async def page(self, account_id: str, before_transfer_id: int, limit: int) -> Sequence[tuple[int, Ticket]]:
        """Read the tickets of an account, the newest first, each with the id of the transfer that paid its stake.

        Raises Refusal ACCOUNT_UNKNOWN.
        """
        rows = await self._pool.fetch("read_tickets", READ_PAGE, account_id, before_transfer_id, limit)
        if not rows and await self._pool.fetch_row("read_account", READ_ACCOUNT, account_id) is None:
            raise account_unknown(account_id)
        return [(row["transfer_id"], _ticket(row)) for row in rows]


async def read_ticket(connection: Connection, ticket_id: str) -> Ticket:
    """Read a ticket in a transaction. Raises Refusal TICKET_UNKNOWN."""
    row = await connection.fetchrow(READ_TICKET, ticket_id)
    if row is None:
        raise ticket_unknown(ticket_id)
    return _ticket(row)


async def placed_tickets(
    connection: Connection, round_ids: Sequence[int], ticket_ids: Sequence[object]
) -> Mapping[str, Ticket]:
    """Read tickets as they were placed, whatever has happened to them since."""
    rows = await connection.fetch(READ_PLACED, round_ids, ticket_ids)
    return {str(row["ticket_id"]): _as_of(row, TicketState.ACCEPTED, payout_minor=0) for row in rows}


def ticket_unknown(ticket_id: str) -> Refusal:
    """The refusal of whoever names a ticket that does not exist."""
    return Refusal(Reason.TICKET_UNKNOWN, f"no ticket {ticket_id}", metadata={"ticket_id": ticket_id})


def ticket_state(ticket: Ticket, message: str) -> Refusal:
    """The refusal of what cannot be done to a ticket as it stands."""
    return Refusal(Reason.TICKET_STATE, message, metadata={"ticket_id": ticket.ticket_id, "state": ticket.state.name})


def _ticket(row: asyncpg.Record) -> Ticket:
    events = [
        TicketEvent(
            kind=EventKind(kind),
            settlement_no=settlement_no,
            payout_minor=payout_minor,
            payout_uncapped_minor=payout_uncapped_minor,
        )
        for kind, settlement_no, payout_minor, payout_uncapped_minor in row["events"] or ()
    ]
    withdrawn = frozenset(row["withdrawn"])
    all_withdrawn = bool(withdrawn) and all(withdrawn.issuperset(selection) for _, selection, *_ in row["lines"])
    state, payout_minor = standing(Phase(row["phase"]), row["stake_minor"], events, all_withdrawn=all_withdrawn)
    return _as_of(row, state, payout_minor=payout_minor, uncapped_minor=uncapped_minor(events))


def _as_of(row: asyncpg.Record, state: TicketState, *, payout_minor: int, uncapped_minor: int = 0) -> Ticket:
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
        terminal=row["terminal"],
        payout_uncapped_minor=uncapped_minor,
    )
