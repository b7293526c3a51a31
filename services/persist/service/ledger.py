"""LedgerService."""

import grpc
from furlong.persist.v1.ledger_service_pb2 import (
    CreateAccountRequest,
    CreateAccountResponse,
    CreditAccountRequest,
    CreditAccountResponse,
    GetAccountRequest,
    GetAccountResponse,
)
from furlong.persist.v1.ledger_service_pb2_grpc import LedgerServiceServicer

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
