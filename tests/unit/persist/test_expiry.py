"""Expiry goes on until nothing is left, and says how much it was also where it is broken off."""

import pytest
from furlong.common.v1.error_pb2 import Reason
from structlog.testing import capture_logs

from services.chassis.refusal import Refusal
from services.persist.expiry import expire

DOWN = Refusal(Reason.DEPENDENCY_DOWN, "the database does not answer")


class Claims:
    """Prizes of which each answer tells how many expire, or what goes wrong."""

    def __init__(self, *answers: int | Exception) -> None:
        self.left = list(answers)
        self.asked: list[int] = []

    async def expire(self, claim_days: int) -> int:
        self.asked.append(claim_days)
        answer = self.left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "expired"), [((0,), []), ((500, 500, 3, 0), [1_003])], ids=["nothing", "some at a time"]
)
async def test_it_goes_on_until_nothing_is_left(answers: tuple[int, ...], expired: list[int]) -> None:
    claims = Claims(*answers)
    with capture_logs() as logs:
        await expire(claims, 365)
    assert claims.asked == [365] * len(answers)
    assert [entry["tickets"] for entry in logs] == expired


@pytest.mark.parametrize("error", [DOWN, RuntimeError("a defect")], ids=["database down", "defect"])
async def test_what_expired_before_it_went_wrong_is_told(error: Exception) -> None:
    with capture_logs() as logs, pytest.raises(type(error)):
        await expire(Claims(500, error), 365)
    assert [entry["tickets"] for entry in logs] == [500]
