"""The check of the books: every account's balance is worked out again from the transfers that touched it.

Slow and plain on purpose; it shares no code with the services. `faults` returns a sentence for each thing that is
wrong, and none when the books are right:

    1. a transfer moves more than nothing, between two known accounts of one currency;
    2. no balance is below its account's floor after any transaction, nor now;
    3. every balance is the sum of the transfers that touched the account;
    4. the balances of each currency add up to zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAccount:
    """An account as stored; `floor_minor` is None where there is no floor."""

    account_id: str
    currency: str
    balance_minor: int
    floor_minor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTransfer:
    """Money that went from one account to another. Transfers of one `transaction` became visible together."""

    debit_account_id: str
    credit_account_id: str
    amount_minor: int
    transaction: int


def faults(accounts: Iterable[BookAccount], transfers: Sequence[BookTransfer]) -> list[str]:
    """Everything that is wrong with the books, a sentence each. `transfers` come in the order of booking."""
    by_id = {account.account_id: account for account in accounts}
    found = [sentence for transfer in transfers for sentence in _faults_of_transfer(transfer, by_id)]
    touching: dict[str, list[BookTransfer]] = {account_id: [] for account_id in by_id}
    for transfer in transfers:
        for account_id in {transfer.debit_account_id, transfer.credit_account_id} & by_id.keys():
            touching[account_id].append(transfer)
    for account in by_id.values():
        found += _faults_of_account(account, touching[account.account_id])
    for currency in sorted({account.currency for account in by_id.values()}):
        total = sum(account.balance_minor for account in by_id.values() if account.currency == currency)
        if total != 0:
            found.append(f"the balances in {currency} add up to {total}")
    return found


def _faults_of_transfer(transfer: BookTransfer, by_id: Mapping[str, BookAccount]) -> list[str]:
    debit, credit = by_id.get(transfer.debit_account_id), by_id.get(transfer.credit_account_id)
    if debit is None or credit is None:
        return [f"{transfer} touches an account that does not exist"]
    found = []
    if transfer.amount_minor <= 0:
        found.append(f"{transfer} moves nothing")
    if debit.currency != credit.currency:
        found.append(f"{transfer} changes {debit.currency} into {credit.currency}")
    return found


def _faults_of_account(account: BookAccount, touching: Sequence[BookTransfer]) -> list[str]:
    balance_minor = 0
    found = []
    for transaction, together in groupby(touching, key=lambda transfer: transfer.transaction):
        for transfer in together:
            balance_minor -= transfer.amount_minor if transfer.debit_account_id == account.account_id else 0
            balance_minor += transfer.amount_minor if transfer.credit_account_id == account.account_id else 0
        if account.floor_minor is not None and balance_minor < account.floor_minor:
            found.append(f"transaction {transaction} takes {account} to {balance_minor}, below its floor")
    if account.balance_minor != balance_minor:
        found.append(f"{account} holds something else than its transfers, {balance_minor}")
    if account.floor_minor is not None and account.balance_minor < account.floor_minor:
        found.append(f"{account} is below its floor now")
    return found


def replay(account_id: str, transfers: Iterable[BookTransfer]) -> list[tuple[int, int]]:
    """What an account's statement says, the oldest first: what each transfer brought it, and the balance after that."""
    lines: list[tuple[int, int]] = []
    balance_minor = 0
    for transfer in transfers:
        for end, sign in ((transfer.debit_account_id, -1), (transfer.credit_account_id, 1)):
            if end == account_id:
                balance_minor += sign * transfer.amount_minor
                lines.append((sign * transfer.amount_minor, balance_minor))
    return lines
