"""How a posting is cut into chunks, and what its transfers are called."""

from uuid import UUID

import pytest

from services.persist.domain.settlement import CHUNK_TICKETS_MAX, PAID_IN_CHUNK, chunk_reference, chunk_tickets


@pytest.mark.parametrize(
    ("tickets", "tickets_paid", "per_chunk"),
    [
        (1_000_000, 200_000,   5 * PAID_IN_CHUNK),
        (1_000_000, 1_000_000, PAID_IN_CHUNK),
        (1_000_000, 999_999,   PAID_IN_CHUNK),
        (1_000_000, 100,       CHUNK_TICKETS_MAX),
        (1_000_000, 0,         CHUNK_TICKETS_MAX),
        (1,         1,         PAID_IN_CHUNK),
        (0,         0,         CHUNK_TICKETS_MAX),
    ],
)  # fmt: skip
def test_a_chunk_has_as_many_tickets_as_make_its_payouts(tickets: int, tickets_paid: int, per_chunk: int) -> None:
    assert chunk_tickets(tickets, tickets_paid) == per_chunk


def test_a_chunk_is_told_from_every_other_by_its_reference() -> None:
    places = [(round_id, no, chunk) for round_id in (1, 2, 2**40) for no in (1, 2, 4_095) for chunk in (1, 2, 9_999)]
    references = {chunk_reference(*place) for place in places}

    assert len(references) == len(places)
    assert all(UUID(reference).version == 8 for reference in references)
    assert chunk_reference(17, 1, 3) == "00000000-0011-8001-8000-000000000003"
