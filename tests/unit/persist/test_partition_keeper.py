"""Partitions are made at the start, then every hour, and after a failure sooner."""

import asyncio

import pytest

from services.persist.partition_keeper import INTERVAL_MS, RETRY_MS, PartitionKeeper


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


async def test_partitions_are_made_at_the_start_every_hour_and_soon_after_a_failure() -> None:
    answers: list[int | Exception] = [3, 0, RuntimeError("no database"), 1]
    made = 0

    async def make() -> int:
        nonlocal made
        answer = answers[made]
        made += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    clock = SteppedClock()
    keeper = PartitionKeeper(make, clock)
    await keeper.start()
    assert made == 1
    naps = []
    for _ in range(3):
        naps.append(await clock.naps.get())
        clock.wake()
    naps.append(await clock.naps.get())
    assert naps == [INTERVAL_MS, INTERVAL_MS, RETRY_MS, INTERVAL_MS]
    assert made == 4
    await keeper.close()


async def test_a_start_without_partitions_fails() -> None:
    async def make() -> int:
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        await PartitionKeeper(make, SteppedClock()).start()
