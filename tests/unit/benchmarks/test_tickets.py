"""A run whose clients were told something else than what is stored gives no figures."""

from typing import Any

import pytest

from benchmarks.tickets import StoredDiffers, Told


class Stored:
    """A database that holds so many tickets."""

    def __init__(self, tickets: int) -> None:
        self._tickets = tickets

    async def fetchval(self, query: str, *arguments: Any) -> int:
        return self._tickets


@pytest.mark.parametrize(
    ("accepted", "unanswered", "stored"),
    [
        (100, 0, 100),
        (100, 50, 100),  # no call without an answer had got through
        (100, 50, 150),  # all of them had
    ],
)
async def test_stored_tickets_that_agree_with_the_answers_are_counted(
    accepted: int, unanswered: int, stored: int
) -> None:
    told = Told(round_id=7, accepted=accepted, unanswered=unanswered)

    assert await told.compare(Stored(stored)) == stored  # type: ignore[arg-type]  # only fetchval is used


@pytest.mark.parametrize(
    ("accepted", "unanswered", "stored"),
    [
        (100, 0, 99),  # an acknowledged ticket is lost
        (100, 50, 99),
        (100, 0, 101),  # a ticket is there that nobody was told of
        (100, 50, 151),
    ],
)
async def test_stored_tickets_that_contradict_the_answers_end_the_run(
    accepted: int, unanswered: int, stored: int
) -> None:
    told = Told(round_id=7, accepted=accepted, unanswered=unanswered)

    with pytest.raises(StoredDiffers, match="round 7"):
        await told.compare(Stored(stored))  # type: ignore[arg-type]  # only fetchval is used
