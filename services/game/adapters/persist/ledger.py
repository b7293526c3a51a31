"""Accounts, kept by persist."""

import grpc
from furlong.common.v1.account_pb2 import Account, Transfer, TrialBalance
from furlong.persist.v1 import ledger_service_pb2 as pb
from furlong.persist.v1.ledger_service_pb2_grpc import LedgerServiceStub

from services.game.adapters.persist.answers import read, written
from services.game.ports import Page


class PersistLedger:
    """The port `Ledger` over a channel to persist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._ledger = LedgerServiceStub(channel)

    async def create_account(
        self,
        *,
        request_id: str,
        kind: Account.Kind.ValueType,
        currency: str,
        display_name: str,
        floor_minor: int,
        actor: str,
    ) -> Account:
        """Open an account."""
        request = pb.CreateAccountRequest(
            request_id=request_id,
            kind=kind,
            currency=currency,
            display_name=display_name,
            floor_minor=floor_minor,
            actor=actor,
        )
        return (await written(self._ledger.CreateAccount(request), request_id)).account

    async def credit_account(
        self, *, request_id: str, account_id: str, amount_minor: int, reason: str, actor: str
    ) -> Account:
        """Move money into an account."""
        request = pb.CreditAccountRequest(
            request_id=request_id, account_id=account_id, amount_minor=amount_minor, reason=reason, actor=actor
        )
        return (await written(self._ledger.CreditAccount(request), request_id)).account

    async def account(self, account_id: str) -> Account:
        """Read an account."""
        return (await read(self._ledger.GetAccount(pb.GetAccountRequest(account_id=account_id)))).account

    async def pay_out_account(
        self, *, request_id: str, account_id: str, amount_minor: int, reason: str, actor: str
    ) -> Account:
        """Move money out of an account."""
        request = pb.PayOutAccountRequest(
            request_id=request_id, account_id=account_id, amount_minor=amount_minor, reason=reason, actor=actor
        )
        return (await written(self._ledger.PayOutAccount(request), request_id)).account

    async def adjust_account(
        self, *, request_id: str, account_id: str, amount_minor: int, reason: str, actor: str
    ) -> Account:
        """Put an account right."""
        request = pb.AdjustAccountRequest(
            request_id=request_id, account_id=account_id, amount_minor=amount_minor, reason=reason, actor=actor
        )
        return (await written(self._ledger.AdjustAccount(request), request_id)).account

    async def set_account_blocked(
        self, *, request_id: str, account_id: str, blocked: bool, reason: str, actor: str
    ) -> Account:
        """Block an account, or let it go on."""
        request = pb.SetAccountBlockedRequest(
            request_id=request_id, account_id=account_id, blocked=blocked, reason=reason, actor=actor
        )
        return (await written(self._ledger.SetAccountBlocked(request), request_id)).account

    async def transfers(self, account_id: str, page_size: int, page_token: str) -> Page[Transfer]:
        """Read the transfers of an account, the newest first."""
        request = pb.ListTransfersRequest(account_id=account_id, page_size=page_size, page_token=page_token)
        answer = await read(self._ledger.ListTransfers(request))
        return Page(items=answer.transfers, next_page_token=answer.next_page_token)

    async def trial_balance(self, round_id: int) -> TrialBalance:
        """Add up the books."""
        return (await read(self._ledger.GetTrialBalance(pb.GetTrialBalanceRequest(round_id=round_id)))).trial_balance
