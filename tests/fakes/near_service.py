"""The cache service as the near cache asks it, with the answers that a test says."""

import asyncio
from collections import deque
from collections.abc import Callable

from furlong.cache.v1 import cache_service_pb2 as pb

MISS = pb.Found(outcome=pb.Found.MISS)


def hit(value: bytes, version: int, fresh_for_ms: int = 60_000) -> pb.Found:
    return pb.Found(outcome=pb.Found.HIT, value=value, version=version, fresh_for_ms=fresh_for_ms)


def absent(version: int) -> pb.Found:
    return pb.Found(outcome=pb.Found.ABSENT, version=version, fresh_for_ms=60_000)


def leased(token: int) -> pb.Found:
    return pb.Found(outcome=pb.Found.MISS, lease=pb.Lease(token=token, ends_in_ms=5_000))


def stale(value: bytes, version: int, token: int = 0) -> pb.Found:
    found = pb.Found(outcome=pb.Found.STALE, value=value, version=version)
    if token:
        found.lease.CopyFrom(pb.Lease(token=token, ends_in_ms=5_000))
    return found


BUSY = pb.Found(outcome=pb.Found.MISS, retry_after_ms=50)


class FakeNearService:
    """Answers from `answers`, one after the other, and with `otherwise` when there is none left; None is no answer.

    Fills are stored unless a test says otherwise by `stored`, or by `fails`, when no answer comes.
    A test that clears `is_open` holds up the answers, one that clears `is_filling` the fills.
    """

    def __init__(self) -> None:
        self.answers: deque[pb.Found | None] = deque()
        self.otherwise: Callable[[], pb.Found | None] = lambda: MISS
        self.stored = True
        self.fails = False
        self.looks: list[tuple[str, int, int]] = []
        self.fills: list[tuple[pb.Item, int]] = []
        self.released: list[tuple[str, int]] = []
        self.invalidated: list[pb.InvalidateRequest] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_filling = asyncio.Event()
        self.is_filling.set()

    async def look(self, namespace: str, key: str, *, max_stale_ms: int, wait_ms: int) -> pb.Found | None:
        self.looks.append((key, max_stale_ms, wait_ms))
        answer = self.answers.popleft() if self.answers else self.otherwise()
        await self.is_open.wait()
        return answer

    async def fill(self, namespace: str, item: pb.Item, token: int) -> pb.SetResponse | None:
        self.fills.append((item, token))
        await self.is_filling.wait()
        if self.fails:
            return None
        return pb.SetResponse(stored=self.stored, version=token, fresh_for_ms=60_000 if self.stored else 0)

    async def release(self, namespace: str, key: str, token: int) -> None:
        self.released.append((key, token))

    async def invalidate(self, request: pb.InvalidateRequest) -> None:
        self.invalidated.append(request)
