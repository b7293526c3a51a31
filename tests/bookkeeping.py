"""What people do by hand over persist, as requests with a fresh id and everything that is not of interest filled in."""

from typing import Any

from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Transfer, TrialBalance
from furlong.common.v1.round_pb2 import Track
from furlong.persist.v1.ledger_service_pb2 import (
    AdjustAccountRequest,
    GetTrialBalanceRequest,
    ListTransfersRequest,
    PayOutAccountRequest,
    SetAccountBlockedRequest,
)
from furlong.persist.v1.ticket_store_service_pb2 import CancelTicketRequest, PayTicketRequest
from furlong.persist.v1.track_store_service_pb2 import SetTrackStateRequest

from tests.persisting import Stubs


def pay_out(account_id: str, amount_minor: int, **changes: Any) -> PayOutAccountRequest:
    """A request to pay out."""
    right: dict[str, Any] = {"request_id": uuid7(), "reason": "cash", "actor": "till 1"}
    return PayOutAccountRequest(account_id=account_id, amount_minor=amount_minor, **(right | changes))


def adjust(account_id: str, amount_minor: int, **changes: Any) -> AdjustAccountRequest:
    """A request to adjust."""
    right: dict[str, Any] = {"request_id": uuid7(), "reason": "typed wrong", "actor": "operator"}
    return AdjustAccountRequest(account_id=account_id, amount_minor=amount_minor, **(right | changes))


def block(account_id: str, blocked: bool = True, **changes: Any) -> SetAccountBlockedRequest:
    """A request to block, or to let go on."""
    right: dict[str, Any] = {"request_id": uuid7(), "reason": "lost card", "actor": "operator"}
    return SetAccountBlockedRequest(account_id=account_id, blocked=blocked, **(right | changes))


def cancel(ticket_id: str, **changes: Any) -> CancelTicketRequest:
    """A request to take a ticket back."""
    right: dict[str, Any] = {"request_id": uuid7(), "reason": "typed wrong", "actor": "till 1"}
    return CancelTicketRequest(ticket_id=ticket_id, **(right | changes))


def pay(ticket_id: str, account_id: str, **changes: Any) -> PayTicketRequest:
    """A request to pay a ticket at a till."""
    right: dict[str, Any] = {"request_id": uuid7(), "actor": "till 1"}
    return PayTicketRequest(ticket_id=ticket_id, account_id=account_id, **(right | changes))


def set_state(track: str, state: "Track.State.ValueType", **changes: Any) -> SetTrackStateRequest:
    """A request to pause, suspend or resume a track."""
    right: dict[str, Any] = {"request_id": uuid7(), "reason": "storm", "actor": "operator"}
    return SetTrackStateRequest(track=track, state=state, **(right | changes))


async def statement(stubs: Stubs, account_id: str, page_size: int = 500) -> list[Transfer]:
    """The whole statement of an account, page by page, the newest first."""
    request = ListTransfersRequest(account_id=account_id, page_size=page_size)
    found: list[Transfer] = []
    while True:
        page = await stubs.ledger.ListTransfers(request)
        assert len(page.transfers) <= page_size
        found += page.transfers
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def trial_balance(stubs: Stubs, round_id: int = 0) -> TrialBalance:
    """The trial balance of a round, or of everything; its sum has been looked at."""
    response = await stubs.ledger.GetTrialBalance(GetTrialBalanceRequest(round_id=round_id))
    balance: TrialBalance = response.trial_balance
    assert balance.sum_minor == sum(row.balance_minor for row in balance.rows) == 0
    return balance
