from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some

from services.persist.domain.account import TransferKind
from services.persist.domain.statement import Movement, lines, place_after


def movements(*amounts_minor: int) -> list[Movement]:
    """Movements in the order of booking, given out the newest first."""
    return [
        Movement(
            transfer_id=n,
            kind=TransferKind.CREDIT,
            amount_minor=amount,
            other_account_id="",
            round_id=0,
            reference="",
            made_at=datetime(2026, 1, 1, tzinfo=UTC),
            reason="",
            actor="",
        )
        for n, amount in enumerate(amounts_minor, 1)
    ][::-1]


def test_balances_are_worked_out_from_the_newest_backwards() -> None:
    found = lines(movements(500, -120, 7), 387)
    assert [(line.movement.transfer_id, line.balance_minor) for line in found] == [(3, 387), (2, 380), (1, 500)]


def test_an_account_without_movements_has_an_empty_statement() -> None:
    assert lines([], 0) == []


@given(some.lists(some.integers(-1_000, 1_000), min_size=1, max_size=30), some.integers(1, 7))
def test_pages_put_together_are_the_whole_statement(amounts_minor: list[int], size: int) -> None:
    newest_first = movements(*amounts_minor)
    whole = lines(newest_first, sum(amounts_minor))

    pages = lines(newest_first[:size], sum(amounts_minor))
    while len(pages) < len(newest_first):
        place = place_after(pages[-1])
        older = [movement for movement in newest_first if movement.transfer_id < place.transfer_id]
        pages += lines(older[:size], place.balance_minor)

    assert pages == whole
    assert whole[-1].balance_minor == amounts_minor[0]
