"""How long a hit of the near cache takes: no call over the network, only the way there and back.

A hit waits for nothing, so what it takes is processor time of its thread.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from furlong.cache.v1 import cache_service_pb2
from furlong.client.channel import open_channel
from furlong.client.near import BYTES, Cached, NearCache, NearPolicy

SERVICES: Final = tuple(cache_service_pb2.DESCRIPTOR.services_by_name.values())

HITS: Final = 10_000
"""Hits of one measurement. It takes some hundredths of a second, in which nothing of the stream is read."""

PAUSE_S: Final = 0.02
"""A pause between measurements, in which the stream is read: without it nothing would be trusted after a second."""

KEPT_TIMEOUT_S: Final = 10.0


class NotKept(RuntimeError):
    """The entry was not kept, or not answered from here: the figure would mean nothing."""


async def measure(target: str, token: str, namespace: str, *, rounds: int, value_bytes: int) -> Sequence[float]:
    """Measure hits of an entry that a function of two arguments loaded, in microseconds each. Raises NotKept."""
    async with (
        open_channel(target, services=SERVICES, token=lambda: token) as channel,
        NearCache(channel, [NearPolicy(namespace=namespace)]) as cache,
    ):

        @cache.cached(namespace, codec=BYTES)
        async def load(track: str, page: int) -> bytes:
            return bytes(value_bytes)

        await _kept(cache, load, namespace)
        return [await _hit_us(cache, load, namespace) for _ in range(rounds)]


async def _kept(cache: NearCache, load: "Cached[[str, int], bytes]", namespace: str) -> None:
    try:
        async with asyncio.timeout(KEPT_TIMEOUT_S):
            while not cache.stats()[namespace].entries:
                await load("harbour-mile", 1)
                await asyncio.sleep(PAUSE_S)
    except TimeoutError as late:
        raise NotKept("the entry is not kept near") from late


async def _hit_us(cache: NearCache, load: "Cached[[str, int], bytes]", namespace: str) -> float:
    await asyncio.sleep(PAUSE_S)
    counts = cache.stats()[namespace]
    before = counts.hits
    begun_s = time.thread_time()
    for _ in range(HITS):
        await load("harbour-mile", 1)
    took_s = time.thread_time() - begun_s
    if counts.hits - before != HITS:
        raise NotKept(f"{counts.hits - before} of {HITS} calls were hits")
    return took_s * 1_000_000 / HITS
