"""LedgerService."""

import re
from typing import Final

import grpc
from furlong.persist.v1.ledger_service_pb2 import (
    AdjustAccountRequest,
    AdjustAccountResponse,
    CreateAccountRequest,
    CreateAccountResponse,
    CreditAccountRequest,
    CreditAccountResponse,
    GetAccountRequest,
    GetAccountResponse,
    GetTrialBalanceRequest,
    GetTrialBalanceResponse,
    ListTransfersRequest,
    ListTransfersResponse,
    PayOutAccountRequest,
    PayOutAccountResponse,
    SetAccountBlockedRequest,
    SetAccountBlockedResponse,
)
from furlong.persist.v1.ledger_service_pb2_grpc import LedgerServiceServicer

from services.persist.domain.account import Account, AccountKind
from services.persist.domain.statement import Place, place_after
from services.persist.ports import Ledger, LedgerReads, Operation
from services.persist.service import render
from services.persist.service.operation import operation
from services.persist.service.paging import bad_token, place_of, token_for
from services.persist.service.render import account

Context = grpc.aio.ServicerContext[object, object]

ALL_ROUNDS: Final = 0

_PLACE: Final = re.compile(r"([0-9]{1,18})\.(-?[0-9]{1,18})")


class LedgerBook(LedgerServiceServicer):
    """Keeps accounts."""

    def __init__(self, *, ledger: Ledger, reads: LedgerReads) -> None:
        self._ledger = ledger
        self._reads = reads

    async def CreateAccount(self, request: CreateAccountRequest, context: Context) -> CreateAccountResponse:
        """Open an account."""
        once: Operation[Account] = operation(request, lambda value: CreateAccountResponse(account=account(value)))
        return CreateAccountResponse.FromString(
            await self._ledger.create(
                once,
                AccountKind(request.kind),
                request.currency,
                request.display_name,
                request.floor_minor,
                request.actor,
            )
        )

    async def CreditAccount(self, request: CreditAccountRequest, context: Context) -> CreditAccountResponse:
        """Move money in."""
        once: Operation[Account] = operation(request, lambda value: CreditAccountResponse(account=account(value)))
        return CreditAccountResponse.FromString(
            await self._ledger.credit(once, request.account_id, request.amount_minor, request.reason, request.actor)
        )

    async def GetAccount(self, request: GetAccountRequest, context: Context) -> GetAccountResponse:
        """Read one account."""
        return GetAccountResponse(account=account(await self._reads.get(request.account_id)))

    async def PayOutAccount(self, request: PayOutAccountRequest, context: Context) -> PayOutAccountResponse:
        """Move money out."""
        once: Operation[Account] = operation(request, lambda value: PayOutAccountResponse(account=account(value)))
        return PayOutAccountResponse.FromString(
            await self._ledger.pay_out(once, request.account_id, request.amount_minor, request.reason, request.actor)
        )

    async def AdjustAccount(self, request: AdjustAccountRequest, context: Context) -> AdjustAccountResponse:
        """Put an account right."""
        once: Operation[Account] = operation(request, lambda value: AdjustAccountResponse(account=account(value)))
        return AdjustAccountResponse.FromString(
            await self._ledger.adjust(once, request.account_id, request.amount_minor, request.reason, request.actor)
        )

    async def SetAccountBlocked(self, request: SetAccountBlockedRequest, context: Context) -> SetAccountBlockedResponse:
        """Block an account or let it go on."""
        once: Operation[Account] = operation(request, lambda value: SetAccountBlockedResponse(account=account(value)))
        return SetAccountBlockedResponse.FromString(
            await self._ledger.set_blocked(once, request.account_id, request.blocked, request.reason, request.actor)
        )

    async def ListTransfers(self, request: ListTransfersRequest, context: Context) -> ListTransfersResponse:
        """Read a page of an account's statement."""
        place = _place(request.page_token)
        lines = await self._reads.statement(request.account_id, place, request.page_size + 1)
        page = lines[: request.page_size]
        return ListTransfersResponse(
            transfers=[render.transfer(line) for line in page],
            next_page_token=_token(place_after(page[-1])) if len(lines) > len(page) else "",
        )

    async def GetTrialBalance(self, request: GetTrialBalanceRequest, context: Context) -> GetTrialBalanceResponse:
        """Add up a round, or all accounts."""
        round_id = None if request.round_id == ALL_ROUNDS else request.round_id
        return GetTrialBalanceResponse(trial_balance=render.trial_balance(await self._reads.trial_balance(round_id)))


def _token(place: Place) -> str:
    return token_for(f"{place.transfer_id}.{place.balance_minor}")


def _place(page_token: str) -> Place | None:
    """Where a page begins; None for the first one. Raises Refusal MALFORMED."""
    text = place_of(page_token)
    if text is None:
        return None
    if (found := _PLACE.fullmatch(text)) is None:
        raise bad_token()
    return Place(transfer_id=int(found[1]), balance_minor=int(found[2]))
