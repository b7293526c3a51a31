"""A duty is done at the start, then every hour, when it is woken, and as soon as was said after a failure."""

import asyncio

import pytest
from furlong.common.v1.error_pb2 import Reason
from structlog.testing import capture_logs

from services.chassis.refusal import Refusal
from services.persist.duty import INTERVAL_MS, Duty

RETRY_MS = 60_000
DOWN = Refusal(Reason.DEPENDENCY_DOWN, "the database does not answer")
DEFECT = RuntimeError("a defect")


class SteppedClock:
    """A clock whose sleepers are woken by the test; it tells how long each wanted to sleep."""

    def __init__(self) -> None:
        self.now = 0
        self.naps: asyncio.Queue[int] = asyncio.Queue()
        self._woken = asyncio.Event()

    def now_ms(self) -> int:
        return self.now

    def monotonic_s(self) -> float:
        return self.now / 1_000

    async def sleep_until_ms(self, at_ms: int) -> None:
        self.naps.put_nowait(at_ms - self.now)
        await self._woken.wait()
        self._woken.clear()
        self.now = at_ms

    def wake(self) -> None:
        self._woken.set()


class Work:
    """Work of which each turn goes wrong or does not."""

    def __init__(self, *turns: Exception | None) -> None:
        self.turns = list(turns)
        self.done = 0

    async def __call__(self) -> None:
        turn = self.turns[self.done]
        self.done += 1
        if turn is not None:
            raise turn


async def test_it_is_done_at_the_start_every_hour_and_soon_after_a_failure() -> None:
    work, clock = Work(None, None, DEFECT, DOWN, None), SteppedClock()
    duty = Duty("partitions", work, clock, retry_ms=RETRY_MS)
    duty.start()
    naps = []
    for _ in range(4):
        naps.append(await clock.naps.get())
        clock.wake()
    naps.append(await clock.naps.get())
    assert naps == [INTERVAL_MS, INTERVAL_MS, RETRY_MS, RETRY_MS, INTERVAL_MS]
    assert work.done == 5
    await duty.close()


@pytest.mark.parametrize(
    ("error", "told"), [(DOWN, "duty_put_off"), (DEFECT, "duty_failed")], ids=["database down", "defect"]
)
async def test_what_goes_wrong_is_logged_under_its_name(error: Exception, told: str) -> None:
    clock = SteppedClock()
    duty = Duty("expiry", Work(error), clock, retry_ms=INTERVAL_MS)
    with capture_logs() as logs:
        duty.start()
        assert await clock.naps.get() == INTERVAL_MS
    assert [(entry["event"], entry["duty"]) for entry in logs] == [(told, "expiry")]
    await duty.close()


async def test_it_is_done_at_once_when_it_is_woken() -> None:
    work, clock = Work(None, None), SteppedClock()
    duty = Duty("partitions", work, clock, retry_ms=RETRY_MS)
    duty.start()
    await clock.naps.get()
    duty.wake()
    await clock.naps.get()
    assert (work.done, clock.now) == (2, 0)
    await duty.close()


async def test_it_can_be_closed_without_having_begun() -> None:
    await Duty("expiry", Work(), SteppedClock(), retry_ms=RETRY_MS).close()
