"""Typed calls about accounts and the books."""

import grpc
from furlong.client.errors import answer_of
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account, TrialBalance
from furlong.game.v1 import account_service_pb2 as wire
from furlong.game.v1.account_service_pb2_grpc import AccountServiceStub


class Accounts:
    """Accounts of players and tills, their statements, and the books as a whole.

    Every method raises a FurlongError. The same `request_id` with the same content gets the same answer again;
    without one, a new one is made.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = AccountServiceStub(channel)

    async def create(
        self,
        *,
        kind: Account.Kind.ValueType,
        currency: str,
        display_name: str = "",
        credit_limit_minor: int = 0,
        request_id: str | None = None,
    ) -> Account:
        """Open a PLAYER or CASHIER account. `credit_limit_minor` is how far a CASHIER may go below zero."""
        request = wire.CreateAccountRequest(
            request_id=request_id or uuid7(),
            kind=kind,
            currency=currency,
            display_name=display_name,
            credit_limit_minor=credit_limit_minor,
        )
        return (await answer_of(self._stub.CreateAccount(request), [request.request_id])).account

    async def credit(
        self, account_id: str, amount_minor: int, reason: str, *, request_id: str | None = None
    ) -> Account:
        """Move `amount_minor` minor units from outside into an account. `reason` goes to the books."""
        request = wire.CreditAccountRequest(
            request_id=request_id or uuid7(), account_id=account_id, amount_minor=amount_minor, reason=reason
        )
        return (await answer_of(self._stub.CreditAccount(request), [request.request_id])).account

    async def pay_out(
        self, account_id: str, amount_minor: int, reason: str, *, request_id: str | None = None
    ) -> Account:
        """Move `amount_minor` minor units from an account to outside. `reason` goes to the books.

        CallRefused with reason FUNDS_MISSING where the balance would fall below the account's floor, and
        ACCOUNT_STOPPED where the account is blocked.
        """
        request = wire.PayOutAccountRequest(
            request_id=request_id or uuid7(), account_id=account_id, amount_minor=amount_minor, reason=reason
        )
        return (await answer_of(self._stub.PayOutAccount(request), [request.request_id])).account

    async def adjust(
        self, account_id: str, amount_minor: int, reason: str, *, request_id: str | None = None
    ) -> Account:
        """Put an account right by `amount_minor` minor units, below 0 to take away; the house is at the other end."""
        request = wire.AdjustAccountRequest(
            request_id=request_id or uuid7(), account_id=account_id, amount_minor=amount_minor, reason=reason
        )
        return (await answer_of(self._stub.AdjustAccount(request), [request.request_id])).account

    async def block(self, account_id: str, reason: str, *, request_id: str | None = None) -> Account:
        """Stop an account: it takes no tickets and gives out no money; what it wins still comes in."""
        request = wire.BlockAccountRequest(request_id=request_id or uuid7(), account_id=account_id, reason=reason)
        return (await answer_of(self._stub.BlockAccount(request), [request.request_id])).account

    async def unblock(self, account_id: str, reason: str, *, request_id: str | None = None) -> Account:
        """Let a blocked account go on."""
        request = wire.UnblockAccountRequest(request_id=request_id or uuid7(), account_id=account_id, reason=reason)
        return (await answer_of(self._stub.UnblockAccount(request), [request.request_id])).account

    async def get(self, account_id: str) -> Account:
        """Read an account with its balance now."""
        return (await answer_of(self._stub.GetAccount(wire.GetAccountRequest(account_id=account_id)))).account

    async def transfers(
        self, account_id: str, *, page_size: int = 0, page_token: str = ""
    ) -> wire.ListTransfersResponse:
        """Read a page of an account's statement, the newest transfer first; 1 to 500 a page, 0 means 50."""
        request = wire.ListTransfersRequest(account_id=account_id, page_size=page_size, page_token=page_token)
        return await answer_of(self._stub.ListTransfers(request))

    async def trial_balance(self, round_id: int = 0) -> TrialBalance:
        """Add up what the transfers of a round changed, or the balances of all accounts where it is 0.

        Its `sum_minor` is 0, or there is a defect.
        """
        request = wire.GetTrialBalanceRequest(round_id=round_id)
        return (await answer_of(self._stub.GetTrialBalance(request))).trial_balance
