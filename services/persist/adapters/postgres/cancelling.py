"""Taking a ticket back: gate, lock, judge, give back, in one transaction like a batch and in the same order of locks.

A cancel shares the round's gate with the batches, so the round's lock waits for it, and one that comes after the lock
finds betting closed. What the ticket had added to the round's exposure is taken off again, its leaf in the ticket root
stays, and no settlement of the round sees it any more.
"""

import dataclasses
from datetime import datetime
from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal
from services.persist.adapters.postgres import gate
from services.persist.adapters.postgres.accounts import CHANGE, TRANSFER, lock_account
from services.persist.adapters.postgres.database import Connection
from services.persist.adapters.postgres.tickets import read_ticket, ticket_state
from services.persist.domain.account import TransferKind
from services.persist.domain.round import Phase, Totals
from services.persist.domain.ticket import EventKind, Ticket, TicketState

LOCK_TOTALS: Final = """
SELECT e.round_id FROM exposure e JOIN rounds r USING (round_id)
WHERE e.round_id = $1 AND e.market = 0 AND (r.selection_payout_max_minor > 0 OR r.round_loss_max_minor > 0)
FOR UPDATE OF e
"""
"""Where a limit on risk makes the batches of the round queue, before they lock accounts, a cancel queues with them."""

READ_ROUND: Final = """
SELECT clock_timestamp() AS now, phase, locks_at, escrow_account_id FROM rounds WHERE round_id = $1
"""

WRITE_EVENT: Final = """
INSERT INTO events (round_id, ticket_id, kind, payout_minor, made_at) VALUES ($1, $2, $3, $4, clock_timestamp())
"""

REDUCE_TOTALS: Final = """
UPDATE exposure SET
    tickets = tickets - 1, stake_minor = stake_minor - $2, payout_minor_max = payout_minor_max - $3
WHERE round_id = $1 AND market = 0
RETURNING tickets, stake_minor, payout_minor_max
"""

REDUCE_SELECTION: Final = """
UPDATE exposure SET
    tickets = tickets - $4, stake_minor = stake_minor - $5, payout_minor_max = payout_minor_max - $6
WHERE round_id = $1 AND market = $2 AND selection = $3
"""


async def cancel(connection: Connection, ticket_id: str, reason: str, actor: str) -> tuple[Ticket, Totals]:
    """Take a ticket back and give its stake back to the buyer, whoever that is, blocked or not.

    Raises Refusal TICKET_UNKNOWN, TICKET_STATE for one that is not open any more, and ROUND_PHASE once its round has
    locked, on the database's clock.
    """
    found = await read_ticket(connection, ticket_id)
    await connection.execute(gate.SHARE, found.round_id)
    await connection.execute(LOCK_TOTALS, found.round_id)
    await lock_account(connection, found.account_id)
    ticket = await read_ticket(connection, ticket_id)
    round_row = await connection.fetchrow(READ_ROUND, ticket.round_id)
    assert round_row is not None, "a ticket has its round"
    _check(ticket, Phase(round_row["phase"]), round_row["locks_at"], round_row["now"])
    await connection.execute(WRITE_EVENT, ticket.round_id, ticket_id, EventKind.CANCELLED, ticket.stake_minor)
    await connection.fetchrow(CHANGE, ticket.account_id, ticket.stake_minor)
    totals = await _reduce(connection, ticket)
    escrow = round_row["escrow_account_id"]
    await connection.fetchrow(CHANGE, escrow, -ticket.stake_minor)
    await connection.execute(
        TRANSFER,
        *(ticket.round_id, TransferKind.REFUND, ticket_id, escrow, ticket.account_id),
        *(ticket.stake_minor, reason, actor),
    )
    reach("cancel.written")
    return dataclasses.replace(ticket, state=TicketState.CANCELLED, payout_minor=ticket.stake_minor), totals


def _check(ticket: Ticket, phase: Phase, locks_at: datetime, now: datetime) -> None:
    if ticket.state is not TicketState.ACCEPTED:
        raise ticket_state(ticket, f"ticket {ticket.ticket_id} is {ticket.state.name} and cannot be taken back")
    if phase is not Phase.OPEN or now >= locks_at:
        raise Refusal(
            Reason.ROUND_PHASE,
            f"round {ticket.round_id} has locked and gives no ticket back",
            metadata={"round_id": str(ticket.round_id)},
        )


async def _reduce(connection: Connection, ticket: Ticket) -> Totals:
    """Take the ticket off the round's totals, then off its selections, in the order in which batches add to them."""
    payout_minor = sum(line.payout_minor for line in ticket.lines)
    totals = await connection.fetchrow(REDUCE_TOTALS, ticket.round_id, ticket.stake_minor, payout_minor)
    assert totals is not None, "a round has its totals"
    selections = sorted({(line.market, line.selection) for line in ticket.lines})
    for market, selection in selections:
        of_it = [line for line in ticket.lines if (line.market, line.selection) == (market, selection)]
        await connection.execute(
            REDUCE_SELECTION,
            *(ticket.round_id, market, selection, len(of_it)),
            *(sum(line.stake_minor for line in of_it), sum(line.payout_minor for line in of_it)),
        )
    return Totals(**dict(totals))
