"""Paying at a till what a ticket bought at a till can claim.

The row of `unclaimed` is the claim: whoever deletes it pays, and of two tills that try at once exactly one does.
"""

from typing import Final

from furlong.common.v1.error_pb2 import Reason

from services.chassis.crash_points import reach
from services.chassis.refusal import Refusal
from services.persist.adapters.postgres.accounts import (
    CHANGE,
    PAY_FROM_SYSTEM,
    account_kind,
    account_stopped,
    lock_account,
)
from services.persist.adapters.postgres.database import Connection
from services.persist.adapters.postgres.tickets import read_ticket, ticket_state
from services.persist.domain.account import Account, AccountKind, TransferKind
from services.persist.domain.ticket import EventKind, Ticket

CLAIM: Final = "DELETE FROM unclaimed WHERE ticket_id = $1 RETURNING amount_minor, settlement_no"

WRITE_EVENT: Final = """
INSERT INTO events (round_id, ticket_id, kind, settlement_no, payout_minor, made_at)
VALUES ($1, $2, $3, $4, $5, clock_timestamp())
"""

WRITE_TRANSFER: Final = """
INSERT INTO transfers
    (round_id, kind, reference, settlement_no, debit_account_id, credit_account_id, amount_minor, made_at, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), $8)
"""


async def pay(connection: Connection, ticket_id: str, account_id: str, actor: str) -> tuple[Ticket, int]:
    """Move what a ticket can claim to the till that hands it out; the amount comes with the ticket, which is PAID.

    Raises Refusal TICKET_UNKNOWN, ACCOUNT_UNKNOWN, ACCOUNT_KIND for what is no till, ACCOUNT_STOPPED,
    CURRENCY_MISMATCH, and TICKET_STATE for a ticket that has nothing to claim, or not any more.
    """
    ticket = await read_ticket(connection, ticket_id)
    _check_till(await lock_account(connection, account_id), ticket)
    # Whoever has waited for a correction that put another claim in the place of this one sees that the second time.
    claim = await connection.fetchrow(CLAIM, ticket_id) or await connection.fetchrow(CLAIM, ticket_id)
    if claim is None:
        ticket = await read_ticket(connection, ticket_id)
        raise ticket_state(ticket, f"ticket {ticket_id} is {ticket.state.name} and has nothing to claim")
    amount_minor, settlement_no = claim["amount_minor"], claim["settlement_no"]
    await connection.fetchrow(CHANGE, account_id, amount_minor)
    prizes = await connection.fetchval(PAY_FROM_SYSTEM, ticket.currency, AccountKind.PRIZES, amount_minor)
    assert prizes is not None, "what is unclaimed lies with the prizes of its currency"
    of_claim = (ticket_id, settlement_no)
    await connection.execute(
        WRITE_TRANSFER,
        *(ticket.round_id, TransferKind.PAYOUT, *of_claim, prizes, account_id, amount_minor, actor),
    )
    await connection.execute(WRITE_EVENT, ticket.round_id, ticket_id, EventKind.PAID, settlement_no, amount_minor)
    reach("pay.written")
    return await read_ticket(connection, ticket_id), amount_minor


def _check_till(till: Account, ticket: Ticket) -> None:
    if till.kind is not AccountKind.CASHIER:
        raise account_kind(till.account_id, "a till's")
    if till.blocked:
        raise account_stopped(till.account_id)
    if till.currency != ticket.currency:
        raise Refusal(
            Reason.CURRENCY_MISMATCH,
            f"the till holds {till.currency} and the ticket pays {ticket.currency}",
            metadata={"account_id": till.account_id},
        )
