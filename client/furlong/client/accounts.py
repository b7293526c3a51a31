"""Typed calls about accounts."""

import grpc
from furlong.client.errors import answer_of
from furlong.client.identity import uuid7
from furlong.common.v1.account_pb2 import Account
from furlong.game.v1 import account_service_pb2 as wire
from furlong.game.v1.account_service_pb2_grpc import AccountServiceStub


class Accounts:
    """Accounts of players and tills.

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

    async def get(self, account_id: str) -> Account:
        """Read an account with its balance now."""
        return (await answer_of(self._stub.GetAccount(wire.GetAccountRequest(account_id=account_id)))).account
