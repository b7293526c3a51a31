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
    PRIZES = 6


BETTORS = frozenset((AccountKind.PLAYER, AccountKind.CASHIER))
"""The kinds that are opened and credited on request and that may pay for tickets."""


OF_THE_SYSTEM = (AccountKind.HOUSE, AccountKind.CASH, AccountKind.PRIZES)
"""The kinds of which each currency has exactly one account, opened with the first that needs the currency."""


class TransferKind(IntEnum):
    """Why money moved. The numbers are stored and never reused."""

    STAKE = 1
    """From the buyer of a ticket to the round's escrow."""
    PRIZE = 2
    """From the escrow to the buyer of a winning ticket, or to PRIZES where it was bought at a till."""
    REFUND = 3
    """A stake that goes back from the escrow: to the buyer, or to PRIZES where a voided ticket was bought at a till."""
    CREDIT = 4
    """From outside into an account."""
    SETTLEMENT = 5
    """What the house wins or loses on a round, between it and the escrow."""
    PAYOUT = 6
    """From an account to outside, or from PRIZES to the till that paid a ticket."""
    ADJUSTMENT = 7
    """Put right by hand, between an account and the house."""
    REVERSAL = 8
    """A prize that is taken back because the result was corrected."""
    EXPIRY = 9
    """What nobody claimed in time, from PRIZES to the house."""


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

    def covers(self, amount_minor: int) -> bool:
        """Tell whether so much can be taken from the account."""
        return self.floor_minor is None or self.balance_minor - amount_minor >= self.floor_minor
