"""The trial balance: accounts added up by currency and kind, of one round or of everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.persist.domain.account import AccountKind


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """The accounts of one kind and currency: how many, what left them, what came to them, what they hold."""

    kind: AccountKind
    currency: str
    accounts: int
    debit_minor: int
    credit_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """Rows by currency and kind, as they were at one moment."""

    rows: Sequence[TrialRow]
    as_of: datetime

    @property
    def sum_minor(self) -> int:
        """What all accounts hold together: 0, or there is a defect."""
        return sum(row.balance_minor for row in self.rows)
