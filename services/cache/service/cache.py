"""CacheService."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import grpc
from furlong.cache.v1.cache_service_pb2 import (
    BatchGetRequest,
    BatchSetRequest,
    BatchSetResponse,
    DeleteRequest,
    DeleteResponse,
    FlushRequest,
    FlushResponse,
    GetRequest,
    GetStatsRequest,
    GetStatsResponse,
    IncrementRequest,
    IncrementResponse,
    InvalidateRequest,
    InvalidateResponse,
    ReleaseLeaseRequest,
    ReleaseLeaseResponse,
    SetRequest,
    SetResponse,
    WatchChangesRequest,
)
from furlong.cache.v1.cache_service_pb2 import Item as ItemMessage
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceServicer

from services.cache.domain.change import Change, Scope
from services.cache.domain.namespace import NAMESPACES
from services.cache.engine.sight import Sight
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.watchers import Watchers
from services.cache.service.stats import stats
from services.cache.service.wire import answer
from services.cache.service.words import written

Context = grpc.aio.ServicerContext[object, object]

RAW_ANSWERS: Final = frozenset(("Get", "BatchGet"))
"""Methods whose answers are written as bytes."""

RAW_STREAMS: Final = frozenset(("WatchChanges",))
"""Streams whose messages are written as bytes, once for all who get them."""


class CacheDesk(CacheServiceServicer):
    """Answers for the two tiers. Validation has seen every request before it comes here."""

    def __init__(self, *, tiers: Tiers, watchers: Watchers, sight: Sight) -> None:
        self._tiers = tiers
        self._watchers = watchers
        self._sight = sight

    async def Get(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: GetRequest, context: Context
    ) -> bytes:
        """Read one entry."""
        return answer(await self._tiers.get(NAMESPACES[request.namespace], (request.key,), request.max_stale_ms))

    async def BatchGet(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: BatchGetRequest, context: Context
    ) -> bytes:
        """Read entries."""
        return answer(await self._tiers.get(NAMESPACES[request.namespace], request.keys, request.max_stale_ms))

    async def Set(self, request: SetRequest, context: Context) -> SetResponse:
        """Write one entry."""
        return SetResponse(version=await self._set(request.namespace, (request.item,)), stored=True)

    async def BatchSet(self, request: BatchSetRequest, context: Context) -> BatchSetResponse:
        """Write entries."""
        return BatchSetResponse(version=await self._set(request.namespace, request.items))

    async def Delete(self, request: DeleteRequest, context: Context) -> DeleteResponse:
        """Remove one entry."""
        await self._tiers.invalidate(Change(request.namespace, Scope.KEYS, (request.key,)))
        return DeleteResponse()

    async def Invalidate(self, request: InvalidateRequest, context: Context) -> InvalidateResponse:
        """Remove many entries."""
        await self._tiers.invalidate(_change(request))
        return InvalidateResponse()

    async def ReleaseLease(self, request: ReleaseLeaseRequest, context: Context) -> ReleaseLeaseResponse:
        """Give a lease back."""
        raise NotImplementedError

    async def Increment(self, request: IncrementRequest, context: Context) -> IncrementResponse:
        """Add to a number."""
        raise NotImplementedError

    async def WatchChanges(  # type: ignore[override] # writes bytes, see RAW_STREAMS
        self, request: WatchChangesRequest, context: Context
    ) -> AsyncIterator[bytes]:
        """Tell what to forget."""
        with self._watchers.watch(request.namespaces) as watcher:
            while True:
                yield written(await watcher.take())

    async def Flush(self, request: FlushRequest, context: Context) -> FlushResponse:
        """Forget everything."""
        await self._tiers.flush()
        return FlushResponse()

    async def GetStats(self, request: GetStatsRequest, context: Context) -> GetStatsResponse:
        """Tell what this replica did."""
        return await stats(self._sight)

    async def _set(self, namespace: str, items: Sequence[ItemMessage]) -> int:
        return await self._tiers.set(NAMESPACES[namespace], [_item(item) for item in items])


def _item(message: ItemMessage) -> Item:
    return Item(message.key, message.value, message.ttl_ms, tuple(message.tags))


def _change(request: InvalidateRequest) -> Change:
    match request.WhichOneof("target"):
        case "keys":
            return Change(request.namespace, Scope.KEYS, tuple(request.keys.keys))
        case "pattern":
            return Change(request.namespace, Scope.PATTERN, (request.pattern,))
        case "tag":
            return Change(request.namespace, Scope.TAG, (request.tag,))
        case _:
            return Change(request.namespace, Scope.NAMESPACE)
