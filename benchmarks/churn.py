"""What a cache's memory comes to when entries of all sizes come and go for a while.

One caller writes batches of entries, overwrites some, invalidates some and reads some, many times what fits into L1;
keys, tags, sizes and times to live are drawn from a fixed seed. Memory is what the process has in RAM beyond what it
had before the first entry: code, connections and Python itself are no entries.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceStub

from benchmarks.report import progress

NAMESPACES = ("reports", "sessions", "metrics")
KEYS = 400_000
BATCH_ITEMS = 100
VALUE_BYTES = (0, 40, 150, 150, 400, 400, 1_000, 1_000, 2_500, 6_000, 15_000, 60_000)
TAGS = 200
TTL_MS = (0, 1_000, 5_000, 10_000)
READS_PER_WRITE = 2
INVALIDATE_EVERY = 50
LOOK_EVERY_S = 5.0
CALL_TIMEOUT_S = 10.0
REQUEST_BYTES_MAX = 200 * 1024
"""Items of a request; the cache takes messages of 256 KiB."""
RESIDENT_FIELD = "VmRSS:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Churned:
    """What came of it. `grown_bytes` has one entry for each look at the process, the last at the end."""

    grown_bytes: Sequence[int]
    written_bytes: int


async def churn(channel: grpc.aio.Channel, token: str, pid: int, minutes: float) -> Churned:
    """Have entries come and go in the cache that is process `pid` and has had none."""
    chance = random.Random(7)
    stub = CacheServiceStub(channel)
    metadata = (("authorization", f"Bearer {token}"),)
    before_bytes = resident_bytes(pid)
    grown: list[int] = []
    written = rounds = 0
    ends_s = time.monotonic() + minutes * 60
    looks_s = time.monotonic() + LOOK_EVERY_S
    while time.monotonic() < ends_s:
        rounds += 1
        namespace = chance.choice(NAMESPACES)
        items = _items(chance)
        written += sum(len(item.value) for item in items)
        request = pb.BatchSetRequest(namespace=namespace, items=items)
        await stub.BatchSet(request, metadata=metadata, timeout=CALL_TIMEOUT_S)
        for _ in range(READS_PER_WRITE):
            keys = [_key(chance) for _ in range(BATCH_ITEMS)]
            await stub.BatchGet(
                pb.BatchGetRequest(namespace=namespace, keys=keys), metadata=metadata, timeout=CALL_TIMEOUT_S
            )
        if rounds % INVALIDATE_EVERY == 0:
            gone = pb.InvalidateRequest(namespace=namespace, tag=f"tag {chance.randrange(TAGS)}")
            await stub.Invalidate(gone, metadata=metadata, timeout=CALL_TIMEOUT_S)
        if time.monotonic() >= looks_s:
            looks_s += LOOK_EVERY_S
            grown.append(resident_bytes(pid) - before_bytes)
            if len(grown) % 12 == 0:
                progress(f"churn: {written >> 20:,} MiB written, the process has grown by {grown[-1] >> 20} MiB")
    grown.append(resident_bytes(pid) - before_bytes)
    return Churned(grown_bytes=grown, written_bytes=written)


def resident_bytes(pid: int) -> int:
    """Bytes of a process that are in RAM. `OSError` where there is none."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(RESIDENT_FIELD):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended and not been waited for


def _items(chance: random.Random) -> list[pb.Item]:
    keys = {_key(chance) for _ in range(BATCH_ITEMS)}
    items = [
        pb.Item(
            key=key,
            value=chance.randbytes(chance.choice(VALUE_BYTES) * chance.randrange(50, 150) // 100),
            ttl_ms=chance.choice(TTL_MS),
            tags=[f"tag {chance.randrange(TAGS)}"] if chance.random() < 0.3 else [],
        )
        for key in sorted(keys)
    ]
    room = REQUEST_BYTES_MAX
    fitting: list[pb.Item] = []
    for item in items:
        room -= item.ByteSize() + 8
        if room < 0:
            break
        fitting.append(item)
    return fitting


def _key(chance: random.Random) -> str:
    """A key; low numbers are drawn more often, as some things are asked for more often than others."""
    return f"churn/{int(KEYS * chance.random() ** 3)}"
