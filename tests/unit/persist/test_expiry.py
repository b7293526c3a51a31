"""Expiry: at the start and every hour, until nothing is left, whatever went wrong the last time."""

import asyncio
from collections.abc import Callable

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.persist.expiry import INTERVAL_MS, Expiry
from tests.clocks import ManualClock


class SteppedClock(ManualClock):
    """Sleeps until a test lets it wake."""

    def __init__(self) -> None:
        super().__init__()
        self.slept_until_ms: list[int] = []
        self._wake = asyncio.Event()

    async def sleep_until_ms(self, at_ms: int) -> None:
        self.slept_until_ms.append(at_ms)
        await self._wake.wait()
        self._wake.clear()
        await super().sleep_until_ms(at_ms)

    async def wake(self) -> None:
        self._wake.set()
        await settled(lambda: not self._wake.is_set())


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


async def settled(holds: Callable[[], bool]) -> None:
    """Let tasks run until they have nothing to do, and make sure of what they did."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert holds()


@pytest.mark.parametrize(
    "first",
    [
        (0,),
        (500, 500, 3, 0),
        (Refusal(Reason.DEPENDENCY_DOWN, "the database does not answer"),),
        (500, RuntimeError("a defect")),
    ],
    ids=["nothing", "chunks", "database down", "defect"],
)
async def test_it_goes_on_until_nothing_is_left_and_comes_back_in_an_hour(first: tuple[int | Exception, ...]) -> None:
    clock, claims = SteppedClock(), Claims(*first, 0)
    began_ms = clock.now_ms()
    expiry = Expiry(prizes=claims, claim_days=365, clock=clock)
    expiry.start()
    try:
        await settled(lambda: claims.asked == [365] * len(first))
        assert clock.slept_until_ms == [began_ms + INTERVAL_MS]
        await clock.wake()
        assert claims.left == []
        assert clock.slept_until_ms[1:] == [began_ms + 2 * INTERVAL_MS]
    finally:
        await expiry.close()


async def test_it_can_be_closed_without_having_begun() -> None:
    await Expiry(prizes=Claims(), claim_days=1, clock=ManualClock()).close()
