"""Typed calls about the cache, for who runs it."""

import grpc
from furlong.cache.v1 import cache_service_pb2 as wire
from furlong.cache.v1.cache_service_pb2 import Found, GetStatsResponse
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceStub
from furlong.client.errors import answer_of


class Cache:
    """What operators ask of the cache. Every method raises a FurlongError."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = CacheServiceStub(channel)

    async def stats(self) -> GetStatsResponse:
        """Read what one replica did since it started; behind a gateway it is any of them."""
        return await answer_of(self._stub.GetStats(wire.GetStatsRequest()))

    async def get(self, namespace: str, key: str, *, max_stale_ms: int = 0) -> Found:
        """Read one entry as it is kept, at most `max_stale_ms` milliseconds past its fresh time."""
        request = wire.GetRequest(namespace=namespace, key=key, max_stale_ms=max_stale_ms)
        return (await answer_of(self._stub.Get(request))).found

    async def flush(self) -> None:
        """Forget everything, at every replica."""
        await answer_of(self._stub.Flush(wire.FlushRequest()))
