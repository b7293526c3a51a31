from dataclasses import replace

import pytest

from tests.model.ledger import BookAccount, BookTransfer, faults, replay

CASH, ANN, BOB, DOLLARS = "cash", "ann", "bob", "dollars"


def books(cash: int, ann: int, bob: int) -> list[BookAccount]:
    return [
        BookAccount(account_id=CASH, currency="EUR", balance_minor=cash, floor_minor=None),
        BookAccount(account_id=ANN, currency="EUR", balance_minor=ann, floor_minor=0),
        BookAccount(account_id=BOB, currency="EUR", balance_minor=bob, floor_minor=-50),
        BookAccount(account_id=DOLLARS, currency="USD", balance_minor=0, floor_minor=None),
    ]


def moves(*rows: tuple[str, str, int]) -> list[BookTransfer]:
    """Transfers in transactions of their own."""
    return [
        BookTransfer(debit_account_id=debit, credit_account_id=credit, amount_minor=amount, transaction=transaction)
        for transaction, (debit, credit, amount) in enumerate(rows)
    ]


def test_right_books_have_no_faults() -> None:
    assert faults(books(-100, 60, 40), moves((CASH, ANN, 100), (BOB, CASH, 50), (CASH, BOB, 50), (ANN, BOB, 40))) == []


@pytest.mark.parametrize(
    ("accounts", "transfers", "fault"),
    [
        (books(-100, 100, 0), moves(),                                    "something else than its transfers"),
        (books(-90, 100, 0),  moves((CASH, ANN, 100)),                    "add up to 10"),
        (books(0, 0, 0),      moves((ANN, CASH, 1), (CASH, ANN, 1)),      "below its floor"),
        (books(51, 0, -51),   moves((BOB, CASH, 51)),                     "is below its floor"),
        (books(0, 0, 0),      moves((CASH, ANN, 0)),                      "moves nothing"),
        (books(0, 0, 0),      moves((CASH, "nobody", 1)),                 "does not exist"),
        (books(0, 0, 0),      moves((CASH, DOLLARS, 1), (DOLLARS, CASH, 1)), "changes EUR into USD"),
    ],
)  # fmt: skip
def test_wrong_books_are_told_apart(accounts: list[BookAccount], transfers: list[BookTransfer], fault: str) -> None:
    assert any(fault in sentence for sentence in faults(accounts, transfers))


def test_inside_a_transaction_the_order_of_its_transfers_does_not_matter() -> None:
    together = [replace(transfer, transaction=1) for transfer in moves((ANN, CASH, 10), (CASH, ANN, 10))]

    assert faults(books(0, 0, 0), together) == []


def test_a_replay_tells_what_an_account_held_after_each_transfer() -> None:
    transfers = moves((CASH, ANN, 100), (BOB, CASH, 50), (ANN, BOB, 40), (CASH, BOB, 5))

    assert replay(ANN, transfers) == [(100, 100), (-40, 60)]
    assert replay(CASH, transfers) == [(-100, -100), (50, -50), (-5, -55)]
    assert replay(DOLLARS, transfers) == []
