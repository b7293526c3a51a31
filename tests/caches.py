"""Replicas of the cache for tests: real ones, each behind a server of its own on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.cache.v1 import cache_service_pb2_grpc as grpc_cache
from furlong.cache.v1 import topic_service_pb2 as topics_pb
from furlong.cache.v1 import topic_service_pb2_grpc as grpc_topics

from services.cache.__main__ import cache
from services.cache.adapters.redis import client
from services.cache.config import CacheConfig
from services.cache.service.validators import VALIDATORS
from services.chassis.clock import Clock, SystemClock
from services.chassis.server import Server
from tests import served

EVENTUAL: Final = "reports"
"""A namespace that a replica answers for on its own."""

STRICT: Final = "tracks"
"""A namespace that it does not answer for while it cannot hear the others."""

PATIENCE_S: Final = 8.0
"""How long a call may take on a busy machine, among thousands of others in one process; without it the method's half a
second counts, which is not what is tested."""

REQUEST_ID: Final = "6f1c0a52-3f5e-4b6e-9c39-0c1d5f1a7b11"

Found = pb.Found
Event = topics_pb.SubscribeResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica and what tests ask of it, in one namespace unless they say another."""

    entries: "grpc_cache.CacheServiceAsyncStub"
    topics: "grpc_topics.TopicServiceAsyncStub"
    server: Server

    async def get(self, key: str, namespace: str = EVENTUAL, *, max_stale_ms: int = 0) -> pb.Found:
        answer = await self.entries.Get(
            pb.GetRequest(namespace=namespace, key=key, max_stale_ms=max_stale_ms), timeout=PATIENCE_S
        )
        return answer.found

    async def value(self, key: str, namespace: str = EVENTUAL) -> bytes | None:
        """The value of a fresh entry; None for a miss."""
        found = await self.get(key, namespace)
        assert found.outcome in (Found.HIT, Found.MISS)
        return found.value if found.outcome == Found.HIT else None

    async def want(
        self, key: str, namespace: str = EVENTUAL, *, max_stale_ms: int = 0, wait_ms: int = 0, within_s: float = 5.0
    ) -> pb.Found:
        """Ask for an entry, and for the right to load it."""
        request = pb.GetRequest(
            namespace=namespace, key=key, max_stale_ms=max_stale_ms, want_lease=True, wait_ms=wait_ms
        )
        return (await self.entries.Get(request, timeout=within_s)).found

    async def won(self, key: str, namespace: str = EVENTUAL) -> int:
        """Ask for the right to load an entry, and have it: its token."""
        found = await self.want(key, namespace)
        assert found.lease.token, "somebody else loads it, or it is there"
        return found.lease.token

    async def write(self, key: str, value: bytes, namespace: str = EVENTUAL, **condition: Any) -> pb.SetResponse:
        """Set under a condition: `lease_token`, `if_version` or `if_missing`; the rest is of the Item."""
        named = {"lease_token", "if_version", "if_missing"}
        item = pb.Item(key=key, value=value, **{name: of for name, of in condition.items() if name not in named})
        under = {name: of for name, of in condition.items() if name in named}
        return await self.entries.Set(pb.SetRequest(namespace=namespace, item=item, **under), timeout=PATIENCE_S)

    async def release(self, key: str, token: int, namespace: str = EVENTUAL) -> None:
        await self.entries.ReleaseLease(
            pb.ReleaseLeaseRequest(namespace=namespace, key=key, token=token), timeout=PATIENCE_S
        )

    async def add(self, key: str, delta: int, request_id: str, namespace: str = EVENTUAL) -> pb.IncrementResponse:
        request = pb.IncrementRequest(request_id=request_id, namespace=namespace, key=key, delta=delta)
        return await self.entries.Increment(request, timeout=PATIENCE_S)

    async def set(
        self, key: str, value: bytes, namespace: str = EVENTUAL, *, ttl_ms: int = 0, tags: Iterable[str] = ()
    ) -> int:
        item = pb.Item(key=key, value=value, ttl_ms=ttl_ms, tags=tags)
        return (await self.entries.Set(pb.SetRequest(namespace=namespace, item=item), timeout=PATIENCE_S)).version

    async def delete(self, key: str, namespace: str = EVENTUAL) -> None:
        await self.entries.Delete(pb.DeleteRequest(namespace=namespace, key=key), timeout=PATIENCE_S)

    async def invalidate(self, namespace: str = EVENTUAL, **target: Any) -> None:
        """Invalidate by `keys` (a list), `pattern`, `tag` or `everything`, in a `mode`."""
        if "keys" in target:
            target["keys"] = pb.Keys(keys=target["keys"])
        await self.entries.Invalidate(pb.InvalidateRequest(namespace=namespace, **target), timeout=PATIENCE_S)

    async def flush(self) -> None:
        await self.entries.Flush(pb.FlushRequest(), timeout=PATIENCE_S)

    async def stats(self) -> pb.GetStatsResponse:
        return await self.entries.GetStats(pb.GetStatsRequest(), timeout=PATIENCE_S)

    async def redis(self) -> str:
        """How this replica sees Redis."""
        return (await self.stats()).redis

    async def publish(self, topic: str, payload: bytes, request_id: str = "") -> topics_pb.PublishResponse:
        request = topics_pb.PublishRequest(topic=topic, payload=payload, request_id=request_id or REQUEST_ID)
        return await self.topics.Publish(request, timeout=PATIENCE_S)

    @contextmanager
    def subscribed(self, topic: str, *, after: int = 0, epoch: str = "") -> "Iterator[Subscription]":
        call = self.topics.Subscribe(topics_pb.SubscribeRequest(topic=topic, after=after, epoch=epoch))
        try:
            yield Subscription(call)
        finally:
            call.cancel()


class Subscription:
    """A subscription that a test reads event by event."""

    def __init__(self, call: "grpc.aio.UnaryStreamCall[topics_pb.SubscribeRequest, Event]") -> None:
        self._call = call
        self._held: Awaitable[Event] | None = None

    async def event(self, *, within_s: float = 5.0) -> "Event":
        """The next event of any kind. Raises TimeoutError when none comes, and AioRpcError when the stream ends."""
        held, self._held = self._held, None
        async with asyncio.timeout(within_s):
            event = await (held or self._call.read())
        assert isinstance(event, Event), "the stream ended"
        return event

    def hold(self, reading: "Awaitable[Event]") -> None:
        """Keep a read that is under way for the next who asks: one that is cancelled would end the call."""
        self._held = reading

    async def news(self, *, within_s: float = 5.0) -> "Event":
        """The next event that is no heartbeat."""
        async with asyncio.timeout(within_s):
            while (event := await self.event(within_s=within_s)).kind == Event.HEARTBEAT:
                pass
        return event


@asynccontextmanager
async def replica(redis_url: str = "", *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Replica]:
    """Run a replica for as long as the block lasts; without an address it has no Redis."""
    config = CacheConfig(server=served.config(), redis_url=redis_url, **settings)
    async with cache(config, clock or SystemClock()) as parts:

        async def drain() -> None:
            parts.drain()

        async with served.serving(*parts.hosted, validators=VALIDATORS, on_drain=drain) as server:
            yield Replica(
                entries=grpc_cache.CacheServiceStub(server.channel),
                topics=grpc_topics.TopicServiceStub(server.channel),
                server=server.server,
            )


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have replicas made from now on wait long for Redis, for tests in which it is only the machine that is slow."""
    monkeypatch.setattr(client, "CALL_S", 5.0)


async def is_up(under_test: Replica) -> None:
    """Wait until a replica has its Redis, which on a busy machine it may not at the start."""

    async def has_redis() -> bool:
        return await under_test.redis() == "up"

    await eventually(has_redis)


async def eventually(condition: Callable[[], Awaitable[bool]], *, within_s: float = 30.0) -> None:
    """Wait for what another replica or the follower brings about; TimeoutError when it does not come."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in other processes too
            await asyncio.sleep(0.01)
