"""LedgerService."""

from typing import Any

import grpc
from furlong.common.v1.error_pb2 import Reason
from furlong.persist.v1.ledger_service_pb2 import (
    CreateAccountRequest,
    CreateAccountResponse,
    CreditAccountRequest,
    CreditAccountResponse,
    GetAccountRequest,
    GetAccountResponse,
)
from furlong.persist.v1.ledger_service_pb2_grpc import LedgerServiceServicer

from services.chassis.refusal import Refusal
from services.persist.domain.account import Account, AccountKind
from services.persist.ports import Ledger, Operation
from services.persist.service.operation import operation
from services.persist.service.render import account

Context = grpc.aio.ServicerContext[object, object]


class LedgerBook(LedgerServiceServicer):
    """Keeps accounts."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

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
        return GetAccountResponse(account=account(await self._ledger.get(request.account_id)))

    async def PayOutAccount(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "PayOutAccount is not there yet")

    async def AdjustAccount(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "AdjustAccount is not there yet")

    async def SetAccountBlocked(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "SetAccountBlocked is not there yet")

    async def ListTransfers(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "ListTransfers is not there yet")

    async def GetTrialBalance(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "GetTrialBalance is not there yet")
