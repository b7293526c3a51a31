"""The cache service as the near cache asks it: soon answered, or not at all.

Whatever goes wrong here costs time to nobody: a question waits ASK_S at the most, and after FAILURES_MAX failures in a
row none is sent for PROBE_MS, then one by one until an answer comes.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import grpc
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceStub
from furlong.client.breaker import Breaker, BreakerSettings
from furlong.client.cache_refusals import Refusals
from furlong.client.errors import answer_of

ASK_S: Final = 0.1
"""How long a question waits for its answer, beside the time that it asks the service to wait."""

FILL_S: Final = 0.25
"""How long what was loaded may take to be kept; nobody waits for it."""

FAILURES_MAX: Final = 3
PROBE_MS: Final = 500

T = TypeVar("T")


class Service:
    """The service at the other end of `channel`. None in an answer's place means that none came."""

    def __init__(self, channel: grpc.aio.Channel, monotonic_s: Callable[[], float]) -> None:
        self._stub = CacheServiceStub(channel)
        self._breaker = Breaker(
            "near", BreakerSettings(failures_max=FAILURES_MAX, open_ms=PROBE_MS), monotonic_s=monotonic_s
        )
        self._refusals = Refusals("what the near cache asks")

    async def look(self, namespace: str, key: str, *, max_stale_ms: int, wait_ms: int) -> pb.Found | None:
        """Look an entry up, and ask for the right to load it where it is missing."""
        request = pb.GetRequest(
            namespace=namespace, key=key, max_stale_ms=max_stale_ms, want_lease=True, wait_ms=wait_ms
        )
        answer = await self._ask(lambda: self._stub.Get(request, timeout=ASK_S + wait_ms / 1000))
        return None if answer is None else answer.found

    async def fill(self, namespace: str, item: pb.Item, token: int) -> pb.SetResponse | None:
        """Keep what was loaded, while the lease stands."""
        request = pb.SetRequest(namespace=namespace, item=item, lease_token=token)
        return await self._ask(lambda: self._stub.Set(request, timeout=FILL_S))

    async def release(self, namespace: str, key: str, token: int) -> None:
        """Give a lease back. One that does not arrive ends by itself."""
        request = pb.ReleaseLeaseRequest(namespace=namespace, key=key, token=token)
        await self._ask(lambda: self._stub.ReleaseLease(request, timeout=FILL_S))

    async def invalidate(self, request: pb.InvalidateRequest) -> None:
        """Forget entries, everywhere. Raises FurlongError."""
        await answer_of(self._stub.Invalidate(request))

    def watch(
        self, namespaces: Sequence[str]
    ) -> "grpc.aio.UnaryStreamCall[pb.WatchChangesRequest, pb.WatchChangesResponse]":
        """Hear what to forget."""
        return self._stub.WatchChanges(pb.WatchChangesRequest(namespaces=namespaces))

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T | None:
        try:
            admission = self._breaker.admit()
        except grpc.aio.AioRpcError:
            return None
        try:
            answer = await call()
        except grpc.aio.AioRpcError as error:
            admission.settle(error.code())
            self._refusals.note(error)
            return None
        except BaseException:
            admission.settle(None)  # a load that was given up says nothing about the service
            raise
        admission.settle(grpc.StatusCode.OK)
        self._refusals.over()
        return answer
