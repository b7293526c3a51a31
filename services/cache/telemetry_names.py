"""The registry of the telemetry names that only the cache knows; see `services/chassis/telemetry_names.py`."""

from typing import Final

from services.chassis.telemetry_names import FURLONG_CACHE_NAMESPACE, Attribute, Metric

SPAN_REDIS_PREFIX: Final = "redis "

DB_OPERATION_BATCH_SIZE: Final = "db.operation.batch.size"

ATTRIBUTES: Final = (
    Attribute(name=DB_OPERATION_BATCH_SIZE, brief="keys or scripts that one command carried, of all callers together"),
)

ENTRIES: Final = Metric(
    name="furlong.cache.entries",
    unit="{entry}",
    brief="entries in L1",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
BYTES: Final = Metric(
    name="furlong.cache.size",
    unit="By",
    brief="bytes in L1, keys and book-keeping included",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
EVICTIONS: Final = Metric(
    name="furlong.cache.evictions",
    unit="{entry}",
    brief="entries that had to leave L1 to make room",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
EVICTED_AGE: Final = Metric(
    name="furlong.cache.evicted_age",
    unit="s",
    brief="how old the entries were that had to leave L1 last, the median",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
SAVED: Final = Metric(
    name="furlong.cache.saved",
    unit="s",
    brief="time that loading would have taken for every hit, as far as loaders told theirs",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
LEASES: Final = Metric(
    name="furlong.cache.leases",
    unit="{lease}",
    brief="rights to load an entry that were granted",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
WAITS: Final = Metric(
    name="furlong.cache.waits",
    unit="{wait}",
    brief="callers who waited for another one's load",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
FILLS_REFUSED: Final = Metric(
    name="furlong.cache.fills_refused",
    unit="{fill}",
    brief="loads that came too late to be kept, because their lease did not stand any more",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
INVALIDATIONS: Final = Metric(
    name="furlong.cache.invalidations",
    unit="{invalidation}",
    brief="invalidations of any kind that were asked of this replica",
    attributes=(FURLONG_CACHE_NAMESPACE,),
)
REDIS_UP: Final = Metric(
    name="furlong.cache.redis.up", unit="1", brief="1 while Redis answers this replica, 0 while it does not"
)
OWED: Final = Metric(
    name="furlong.cache.owed", unit="{namespace}", brief="namespaces with a write that did not reach Redis yet"
)
CANARY_READS: Final = Metric(
    name="furlong.cache.canary.reads", unit="{read}", brief="reads that the measure of staleness made"
)
STALE_READS: Final = Metric(
    name="furlong.cache.canary.stale_reads",
    unit="{read}",
    brief="reads of the measure that were given an older entry than had been acknowledged; more than 0 is a defect",
)
LAG: Final = Metric(
    name="furlong.cache.lag", unit="s", brief="time from a change being made until replicas have taken it in"
)
METRICS: Final = (
    ENTRIES,
    BYTES,
    EVICTIONS,
    EVICTED_AGE,
    SAVED,
    LEASES,
    WAITS,
    FILLS_REFUSED,
    INVALIDATIONS,
    REDIS_UP,
    OWED,
    CANARY_READS,
    STALE_READS,
    LAG,
)
