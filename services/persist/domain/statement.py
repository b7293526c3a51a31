"""The statement of an account: what moved, the newest first, and the balance after each movement.

Balances are worked out backwards from the balance after the newest movement. Movements never change and none is ever
put between others, so a page that begins where the one before has ended fits it, whatever has moved since.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.persist.domain.account import TransferKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A transfer as one of its two accounts sees it: `amount_minor` is what that account gained, below 0 it lost."""

    transfer_id: int
    kind: TransferKind
    amount_minor: int
    other_account_id: str
    round_id: int
    reference: str
    made_at: datetime
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """A movement and the balance right after it."""

    movement: Movement
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page of a statement begins: at the movement before `transfer_id`, which left `balance_minor`."""

    transfer_id: int
    balance_minor: int


def lines(movements: Iterable[Movement], balance_minor: int) -> list[StatementLine]:
    """The lines of movements, the newest first; `balance_minor` is what the newest of them left."""
    found = []
    for movement in movements:
        found.append(StatementLine(movement=movement, balance_minor=balance_minor))
        balance_minor -= movement.amount_minor
    return found


def place_after(line: StatementLine) -> Place:
    """Where the page after the one that ends with `line` begins."""
    return Place(transfer_id=line.movement.transfer_id, balance_minor=line.balance_minor - line.movement.amount_minor)
