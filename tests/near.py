"""A near cache for tests, before a real replica of the cache service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from furlong.cache.v1 import cache_service_pb2
from furlong.client.channel import open_channel
from furlong.client.near import BYTES, Cached, NearCache, NearPolicy
from furlong.client.near import service as near_service
from furlong.client.near import trust as near_trust

from tests.caches import STRICT

SERVICES = tuple(cache_service_pb2.DESCRIPTOR.services_by_name.values())
POLICIES = (NearPolicy(namespace=STRICT),)


class Source:
    """Where entries come from: a function to be wrapped, and what a test does to it."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.loads = 0
        self.error: Exception | None = None
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def load(self, name: str) -> bytes | None:
        self.loads += 1
        value = self.entries.get(name)
        await self.is_open.wait()
        if self.error is not None:
            raise self.error
        return value


@asynccontextmanager
async def near_cache(target: str, *policies: NearPolicy) -> AsyncIterator[NearCache]:
    """Open a near cache before the replica at `target`."""
    async with open_channel(target, services=SERVICES) as channel, NearCache(channel, policies or POLICIES) as cache:
        yield cache


async def hears(cache: NearCache, *, within_s: float = 10.0) -> None:
    """Wait until it hears of changes."""
    async with asyncio.timeout(within_s):
        while not cache.is_hearing:  # noqa: ASYNC110 - the service brings it about
            await asyncio.sleep(0.01)


def wrapped(cache: NearCache, source: Source, namespace: str = STRICT) -> "Cached[[str], bytes | None]":
    """Wrap a source; an entry's key is its name."""
    return cache.cached(namespace, key=lambda name: name, codec=BYTES)(source.load)


def do_not_wait_for_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sessions begin as if every replica had caught up."""
    monkeypatch.setattr(near_trust, "LAG_S", 0.0)


def ask_patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have near caches wait long for the service, for tests in which it is only the machine that is slow."""
    monkeypatch.setattr(near_service, "ASK_S", 5.0)
    monkeypatch.setattr(near_service, "FILL_S", 5.0)
