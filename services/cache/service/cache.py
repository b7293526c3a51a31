"""CacheService."""

from collections.abc import AsyncIterator
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
from furlong.cache.v1.cache_service_pb2 import Mode as ModeMessage
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceServicer

from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Key
from services.cache.domain.namespace import NAMESPACES
from services.cache.engine.conditions import MISSING, Conditions
from services.cache.engine.leases import Leases
from services.cache.engine.numbers import Numbers
from services.cache.engine.sight import Sight
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.watchers import Watchers
from services.cache.service.stats import stats
from services.cache.service.wire import answer, leased
from services.cache.service.words import written

Context = grpc.aio.ServicerContext[object, object]

RAW_ANSWERS: Final = frozenset(("Get", "BatchGet"))
"""Methods whose answers are written as bytes."""

RAW_STREAMS: Final = frozenset(("WatchChanges",))
"""Streams whose messages are written as bytes, once for all who get them."""


class CacheDesk(CacheServiceServicer):
    """Answers for the two tiers. Validation has seen every request before it comes here."""

    def __init__(
        self,
        *,
        tiers: Tiers,
        leases: Leases,
        conditions: Conditions,
        numbers: Numbers,
        watchers: Watchers,
        sight: Sight,
    ) -> None:
        self._tiers = tiers
        self._leases = leases
        self._conditions = conditions
        self._numbers = numbers
        self._watchers = watchers
        self._sight = sight

    async def Get(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: GetRequest, context: Context
    ) -> bytes:
        """Read one entry."""
        namespace = NAMESPACES[request.namespace]
        if request.want_lease:
            return leased(await self._leases.get(namespace, request.key, request.max_stale_ms, request.wait_ms))
        key, max_stale_ms = request.key, request.max_stale_ms
        found = self._tiers.at_hand(namespace, key, max_stale_ms)
        return answer(await self._tiers.get(namespace, (key,), max_stale_ms) if found is None else (found,))

    async def BatchGet(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: BatchGetRequest, context: Context
    ) -> bytes:
        """Read entries."""
        return answer(await self._tiers.get(NAMESPACES[request.namespace], request.keys, request.max_stale_ms))

    async def Set(self, request: SetRequest, context: Context) -> SetResponse:
        """Write one entry."""
        namespace, item = NAMESPACES[request.namespace], _item(request.item)
        match request.WhichOneof("condition"):
            case "lease_token":
                filled = await self._leases.fill(namespace, item, request.lease_token)
            case "if_version":
                filled = await self._conditions.set(namespace, item, request.if_version)
            case "if_missing":
                filled = await self._conditions.set(namespace, item, MISSING)
            case _:
                filled = await self._tiers.set_one(namespace, item)
        return SetResponse(version=filled.version, stored=filled.stored, fresh_for_ms=filled.fresh_for_ms)

    async def BatchSet(self, request: BatchSetRequest, context: Context) -> BatchSetResponse:
        """Write entries."""
        items = [_item(item) for item in request.items]
        return BatchSetResponse(version=await self._tiers.set(NAMESPACES[request.namespace], items))

    async def Delete(self, request: DeleteRequest, context: Context) -> DeleteResponse:
        """Remove one entry."""
        await self._tiers.invalidate(Change(request.namespace, Scope.KEYS, (request.key,), _mode(request.mode)))
        return DeleteResponse()

    async def Invalidate(self, request: InvalidateRequest, context: Context) -> InvalidateResponse:
        """Remove many entries."""
        await self._tiers.invalidate(_change(request))
        return InvalidateResponse()

    async def ReleaseLease(self, request: ReleaseLeaseRequest, context: Context) -> ReleaseLeaseResponse:
        """Give a lease back."""
        await self._leases.release(Key(request.namespace, request.key), request.token)
        return ReleaseLeaseResponse()

    async def Increment(self, request: IncrementRequest, context: Context) -> IncrementResponse:
        """Add to a number."""
        namespace = NAMESPACES[request.namespace]
        done = await self._numbers.increment(namespace, request.key, request.request_id, request.delta, request.ttl_ms)
        return IncrementResponse(value=done.value, replayed=done.replayed)

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
        self._numbers.clear()
        return FlushResponse()

    async def GetStats(self, request: GetStatsRequest, context: Context) -> GetStatsResponse:
        """Tell what this replica did."""
        return await stats(self._sight)


def _item(message: ItemMessage) -> Item:
    return Item(message.key, message.value, message.ttl_ms, tuple(message.tags), message.absent, message.load_ms)


def _mode(mode: ModeMessage.ValueType) -> Mode:
    return Mode.EXPIRE if mode == ModeMessage.EXPIRE else Mode.DELETE


def _change(request: InvalidateRequest) -> Change:
    mode = _mode(request.mode)
    match request.WhichOneof("target"):
        case "keys":
            return Change(request.namespace, Scope.KEYS, tuple(request.keys.keys), mode)
        case "pattern":
            return Change(request.namespace, Scope.PATTERN, (request.pattern,), mode)
        case "tag":
            return Change(request.namespace, Scope.TAG, (request.tag,), mode)
        case _:
            return Change(request.namespace, Scope.NAMESPACE, (), mode)
