"""How fast one process reads from Redis: as the cache does, as redis-py does it one call per get, and by whole batches.

Run apart it reads a `Reads` and prints keys a second of each way, measured in turns.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.apart import run_apart
from services.cache.adapters.redis import keys
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.domain.entry import Draft, Key, decode
from services.cache.ports import StoreDown

NAMESPACE = "reports"
ENTRIES = 1_000
VALUE_BYTES = 256
BATCH_KEYS = 100
LIFE_MS = 3_600_000
POOL_TIMEOUT_S = 20.0

Read = Callable[[Sequence[int]], Awaitable[int]]
"""Reads entries by number and tells how many it found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Where to read, how many callers read at once, for how long each way, and how often in turns."""

    redis_url: str
    callers: int
    seconds: float
    rounds: int


async def run(reads: Reads) -> Mapping[str, Sequence[float]]:
    """Measure from a process of its own: keys a second by way, a number per round. Raises `ApartFailed`."""
    return await run_apart("benchmarks.limits.redis_reads", asdict(reads))


async def _measure(reads: Reads) -> Mapping[str, Sequence[float]]:
    client = RedisClient(reads.redis_url)
    pool = BlockingConnectionPool.from_url(
        reads.redis_url, max_connections=reads.callers, timeout=POOL_TIMEOUT_S, protocol=2
    )
    bare = Redis.from_pool(pool)
    store = RedisStore(client)
    drafts = [Draft(f"{n}", b"v" * VALUE_BYTES, (), 0, LIFE_MS, LIFE_MS) for n in range(ENTRIES)]
    await store.write(NAMESPACE, drafts, 0)
    names = [keys.entry(Key(NAMESPACE, f"{n}")) for n in range(ENTRIES)]

    async def ours(numbers: Sequence[int]) -> int:
        stored = await store.read([Key(NAMESPACE, f"{n}") for n in numbers])
        return sum(raw is not None and decode(raw) is not None for raw in stored)

    async def one_call_per_get(numbers: Sequence[int]) -> int:
        return int(await bare.get(names[numbers[0]]) is not None)

    async def whole_batches(numbers: Sequence[int]) -> int:
        found: Any = await bare.mget([names[n] for n in numbers])
        return sum(raw is not None for raw in found)

    ways: dict[str, tuple[Read, int]] = {
        "ours": (ours, 1),
        "redis-py": (one_call_per_get, 1),
        "batches": (whole_batches, BATCH_KEYS),
    }
    per_s: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for number in range(reads.rounds):
            for name in list(ways) if number % 2 == 0 else list(ways)[::-1]:
                read, size = ways[name]
                per_s[name].append(await _rate(read, size, reads))
    finally:
        await client.close()
        await bare.aclose()
    return per_s


async def _rate(read: Read, size: int, reads: Reads) -> float:
    """Keys a second of callers who ask again when they have their answer. Raises `RuntimeError` for a key not found."""
    begun_s = time.perf_counter()
    ends_s = begun_s + reads.seconds
    read_in_all = 0

    async def caller(first: int) -> None:
        nonlocal read_in_all
        n = first
        while time.perf_counter() < ends_s:
            numbers = [(n + step) % ENTRIES for step in range(size)]
            try:
                found = await read(numbers)
            except StoreDown:  # a machine that stood still; what that costs is ours
                continue
            if found != size:
                raise RuntimeError(f"{size - found} of {size} keys were not found")
            read_in_all += found
            n = (n + size) % ENTRIES

    await asyncio.gather(*(caller(37 * number % ENTRIES) for number in range(reads.callers)))
    return read_in_all / (time.perf_counter() - begun_s)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure(Reads(**json.load(sys.stdin))))))
