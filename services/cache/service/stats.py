"""GetStatsResponse, out of what operators see."""

from collections.abc import Sequence
from typing import Final

from furlong.cache.v1.cache_service_pb2 import Canary, EntrySize, GetStatsResponse, NamespaceStats

from services.cache.engine.census import Size, largest
from services.cache.engine.sight import Sight
from services.cache.engine.tally import Counts

_MEDIAN: Final = 0.5
_NEARLY_ALL: Final = 0.99


async def stats(sight: Sight) -> GetStatsResponse:
    """Tell what this replica did."""
    sizes = await largest(sight.memory)
    canary, link = sight.canary, sight.link
    return GetStatsResponse(
        namespaces=[_namespace(sight, name, counts, sizes.get(name, ())) for name, counts in sight.tally.declared()],
        bytes_max=sight.memory.bytes_max,
        redis=link.state.value,
        epoch=str(link.incarnation or ""),
        lag_p50_ms=canary.lag_ms(_MEDIAN) if canary else 0.0,
        lag_p99_ms=canary.lag_ms(_NEARLY_ALL) if canary else 0.0,
        canary=Canary(reads=canary.reads, stale_reads=canary.stale_reads) if canary else Canary(),
        owed=len(link.owed),
    )


def _namespace(sight: Sight, name: str, counts: Counts, sizes: Sequence[Size]) -> NamespaceStats:
    share = sight.memory.share(name)
    return NamespaceStats(
        namespace=name,
        hits_l1=counts.hits_l1,
        hits_l2=counts.hits_l2,
        stale=counts.stale_l1 + counts.stale_l2,
        misses=counts.misses,
        absent=counts.absent,
        sets=counts.sets,
        invalidations=counts.invalidations,
        evictions=share.evictions,
        evicted_age_ms=share.evicted_age_ms,
        entries=share.entries,
        bytes=share.bytes,
        bytes_max=sight.memory.bytes_max_of(name),
        leases=counts.leases,
        waits=counts.waits,
        fills_refused=counts.fills_refused,
        saved_ms=counts.saved_ms,
        largest=[EntrySize(key=size.key, bytes=size.bytes) for size in sizes],
    )
