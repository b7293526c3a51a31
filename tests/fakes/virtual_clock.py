"""A clock that a test moves. Whoever sleeps on it wakes in the order of time, and everything due has been done after
each step, so that a test sees the same every time."""

import asyncio
import heapq
import itertools

TURNS = 60
"""How often the event loop is let run before we believe that everybody waits for the clock: the longest chain of
awaits on the fakes has fewer links."""


class VirtualClock:
    def __init__(self, now_ms: int = 1_000_000) -> None:
        self._now_ms = now_ms
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1_000

    async def sleep_until_ms(self, at_ms: int) -> None:
        if at_ms <= self._now_ms:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at_ms, next(self._order), woken))
        await woken

    async def settle(self) -> None:
        """Let everybody do what is due now."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def run_until_ms(self, at_ms: int) -> None:
        """Move time on, stopping wherever somebody wakes."""
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= at_ms:
            wakes_at_ms, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now_ms = max(self._now_ms, wakes_at_ms)
            woken.set_result(None)
            await self.settle()
        self._now_ms = max(self._now_ms, at_ms)
        await self.settle()

    async def run_for_ms(self, ms: int) -> None:
        await self.run_until_ms(self._now_ms + ms)
