import pytest

from services.persist.domain.account import OF_THE_SYSTEM, Account, AccountKind


@pytest.mark.parametrize(
    ("floor_minor", "balance_minor", "amount_minor", "covered"),
    [
        (0,    100, 100, True),
        (0,    100, 101, False),
        (0,      0,   1, False),
        (-50,    0,  50, True),
        (-50,  -10,  41, False),
        (None,   0, 10**15, True),
        (0,      0, -10, True),   # what comes in is always covered
    ],
)  # fmt: skip
def test_an_account_covers_what_leaves_it_at_its_floor_or_above(
    floor_minor: int | None, balance_minor: int, amount_minor: int, covered: bool
) -> None:
    account = Account(
        account_id="A",
        kind=AccountKind.CASHIER,
        currency="EUR",
        display_name="",
        balance_minor=balance_minor,
        floor_minor=floor_minor,
        blocked=False,
    )
    assert account.covers(amount_minor) is covered


def test_the_system_has_its_kinds_in_the_order_of_locks() -> None:
    assert list(OF_THE_SYSTEM) == sorted(OF_THE_SYSTEM)
