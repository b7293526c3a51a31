"""AccountService: the public face of the ledger."""

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from furlong.common.v1.account_pb2 import Account
from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import account_service_pb2 as pb
from furlong.game.v1.account_service_pb2_grpc import AccountServiceServicer

from services.chassis import principal
from services.chassis.refusal import Refusal
from services.game.ports import Ledger
from services.game.service.access import account_unknown, may_read
from services.game.service.paging import page_size

TRANSFERS_ON_A_PAGE: Final = 50
TRANSFERS_ON_A_PAGE_MAX: Final = 500

T = TypeVar("T")


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
        account = await _known(request.account_id, self._ledger.account(request.account_id))
        return pb.GetAccountResponse(account=account)

    async def PayOutAccount(self, request: pb.PayOutAccountRequest, context: Any) -> pb.PayOutAccountResponse:
        """Move money from an account to outside."""
        account = await self._ledger.pay_out_account(
            request_id=request.request_id,
            account_id=request.account_id,
            amount_minor=request.amount_minor,
            reason=request.reason,
            actor=principal.current().subject,
        )
        return pb.PayOutAccountResponse(account=account)

    async def AdjustAccount(self, request: pb.AdjustAccountRequest, context: Any) -> pb.AdjustAccountResponse:
        """Put an account right, against the house."""
        account = await self._ledger.adjust_account(
            request_id=request.request_id,
            account_id=request.account_id,
            amount_minor=request.amount_minor,
            reason=request.reason,
            actor=principal.current().subject,
        )
        return pb.AdjustAccountResponse(account=account)

    async def BlockAccount(self, request: pb.BlockAccountRequest, context: Any) -> pb.BlockAccountResponse:
        """Stop an account."""
        return pb.BlockAccountResponse(account=await self._set_blocked(request, blocked=True))

    async def UnblockAccount(self, request: pb.UnblockAccountRequest, context: Any) -> pb.UnblockAccountResponse:
        """Let a blocked account go on."""
        return pb.UnblockAccountResponse(account=await self._set_blocked(request, blocked=False))

    async def ListTransfers(self, request: pb.ListTransfersRequest, context: Any) -> pb.ListTransfersResponse:
        """Read the statement of an account, the newest first."""
        if not may_read(request.account_id):
            raise account_unknown(request.account_id)
        size = page_size(request.page_size, default=TRANSFERS_ON_A_PAGE, most=TRANSFERS_ON_A_PAGE_MAX)
        page = await _known(request.account_id, self._ledger.transfers(request.account_id, size, request.page_token))
        return pb.ListTransfersResponse(transfers=page.items, next_page_token=page.next_page_token)

    async def GetTrialBalance(self, request: pb.GetTrialBalanceRequest, context: Any) -> pb.GetTrialBalanceResponse:
        """Add up the books."""
        return pb.GetTrialBalanceResponse(trial_balance=await self._ledger.trial_balance(request.round_id))

    async def _set_blocked(
        self, request: pb.BlockAccountRequest | pb.UnblockAccountRequest, *, blocked: bool
    ) -> Account:
        return await self._ledger.set_account_blocked(
            request_id=request.request_id,
            account_id=request.account_id,
            blocked=blocked,
            reason=request.reason,
            actor=principal.current().subject,
        )


async def _known(account_id: str, call: Awaitable[T]) -> T:
    """Wait for what is read of an account; one that is not there is told in the same words as another's."""
    try:
        return await call
    except Refusal as refusal:
        if refusal.reason != Reason.ACCOUNT_UNKNOWN:
            raise
        raise account_unknown(account_id) from refusal
