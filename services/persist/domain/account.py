"""Accounts and what moves money between them."""

from dataclasses import dataclass
from enum import IntEnum


class AccountKind(IntEnum):
    """What an account is for, numbered as `furlong.common.v1.Account.Kind`."""

    PLAYER = 1
    CASHIER = 2
    HOUSE = 3
    ESCROW = 4
    CASH = 5


BETTORS = frozenset((AccountKind.PLAYER, AccountKind.CASHIER))
"""The kinds that are opened and credited on request and that may pay for tickets."""


class TransferKind(IntEnum):
    """Why money moved. The numbers are stored and never reused."""

    STAKE = 1
    """From the buyer of a ticket to the round's escrow."""
    PRIZE = 2
    """From the escrow to the buyer of a winning ticket."""
    REFUND = 3
    """From the escrow of a voided round to the buyer."""
    CREDIT = 4
    """From outside into an account."""
    SETTLEMENT = 5
    """What the house wins or loses on a round, between it and the escrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account with its balance; `floor_minor` is None where there is no floor."""

    account_id: str
    kind: AccountKind
    currency: str
    display_name: str
    balance_minor: int
    floor_minor: int | None
    blocked: bool
