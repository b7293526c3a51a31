"""AccountService: the public face of the ledger."""

from typing import Any

from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import account_service_pb2 as pb
from furlong.game.v1.account_service_pb2_grpc import AccountServiceServicer

from services.chassis import principal
from services.chassis.refusal import Refusal
from services.game.ports import Ledger
from services.game.service.access import account_unknown, may_read


class AccountService(AccountServiceServicer):
    """Passes on to the ledger who asks for what."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Any) -> pb.CreateAccountResponse:
        """Open an account."""
        account = await self._ledger.create_account(
            request_id=request.request_id,
            kind=request.kind,
            currency=request.currency,
            display_name=request.display_name,
            floor_minor=-request.credit_limit_minor,
            actor=principal.current().subject,
        )
        return pb.CreateAccountResponse(account=account)

    async def CreditAccount(self, request: pb.CreditAccountRequest, context: Any) -> pb.CreditAccountResponse:
        """Move money from outside into an account."""
        account = await self._ledger.credit_account(
            request_id=request.request_id,
            account_id=request.account_id,
            amount_minor=request.amount_minor,
            reason=request.reason,
            actor=principal.current().subject,
        )
        return pb.CreditAccountResponse(account=account)

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.GetAccountResponse:
        """Read an account."""
        if not may_read(request.account_id):
            raise account_unknown(request.account_id)
        try:
            account = await self._ledger.account(request.account_id)
        except Refusal as refusal:
            if refusal.reason != Reason.ACCOUNT_UNKNOWN:
                raise
            raise account_unknown(request.account_id) from refusal  # the same words as for another's account
        return pb.GetAccountResponse(account=account)

    async def PayOutAccount(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "PayOutAccount is not there yet")

    async def AdjustAccount(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "AdjustAccount is not there yet")

    async def BlockAccount(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "BlockAccount is not there yet")

    async def UnblockAccount(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "UnblockAccount is not there yet")

    async def ListTransfers(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "ListTransfers is not there yet")

    async def GetTrialBalance(self, request: Any, context: Any) -> Any:
        """Not there yet."""
        raise Refusal(Reason.METHOD_UNKNOWN, "GetTrialBalance is not there yet")
