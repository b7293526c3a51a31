"""The check of the books: every account's balance is worked out again from the transfers, one after the other.

Slow and plain on purpose; it shares no code with the services. `faults` returns a sentence for each thing that is
wrong, and none when the books are right:

    1. a transfer moves more than nothing, between two known accounts of one currency;
    2. no balance is below its account's floor, neither at the end nor after any transfer on the way;
    3. every balance is the sum of the transfers that touched the account;
    4. the balances of each currency add up to zero.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAccount:
    """An account as stored; `floor_minor` is None where there is no floor."""

    account_id: str
    currency: str
    balance_minor: int
    floor_minor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTransfer:
    """Money that went from one account to another, in the order in which it was booked."""

    debit_account_id: str
    credit_account_id: str
    amount_minor: int


def faults(accounts: Iterable[BookAccount], transfers: Sequence[BookTransfer]) -> list[str]:
    """Everything that is wrong with the books, a sentence each."""
    by_id = {account.account_id: account for account in accounts}
    balances: Counter[str] = Counter()
    found: list[str] = []
    for transfer in transfers:
        ends = [by_id.get(transfer.debit_account_id), by_id.get(transfer.credit_account_id)]
        debit, credit = ends
        if debit is None or credit is None:
            found.append(f"{transfer} touches an account that does not exist")
            continue
        if transfer.amount_minor <= 0:
            found.append(f"{transfer} moves nothing")
        if debit.currency != credit.currency:
            found.append(f"{transfer} changes {debit.currency} into {credit.currency}")
        balances[debit.account_id] -= transfer.amount_minor
        balances[credit.account_id] += transfer.amount_minor
        if debit.floor_minor is not None and balances[debit.account_id] < debit.floor_minor:
            found.append(f"{transfer} takes {debit.account_id} to {balances[debit.account_id]}, below its floor")
    sums: Counter[str] = Counter()
    for account in by_id.values():
        sums[account.currency] += account.balance_minor
        if account.balance_minor != balances[account.account_id]:
            found.append(f"{account} holds something else than its transfers, {balances[account.account_id]}")
        if account.floor_minor is not None and account.balance_minor < account.floor_minor:
            found.append(f"{account} is below its floor")
    found += [f"the balances in {currency} add up to {total}" for currency, total in sums.items() if total]
    return found
