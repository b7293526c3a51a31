"""cache: `python -m services.cache`. The only place that builds its parts."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from furlong.cache.v1 import cache_service_pb2, cache_service_pb2_grpc, topic_service_pb2, topic_service_pb2_grpc
from opentelemetry import metrics

from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.adapters.redis.topics import RedisTopics
from services.cache.allocator import map_large_values
from services.cache.config import CacheConfig
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import l1_quotas
from services.cache.engine.canary import Canary
from services.cache.engine.conditions import Conditions
from services.cache.engine.follower import Follower
from services.cache.engine.leases import Leases
from services.cache.engine.link import Link
from services.cache.engine.numbers import Numbers
from services.cache.engine.sight import Sight
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from services.cache.service.cache import RAW_ANSWERS, RAW_STREAMS, CacheDesk
from services.cache.service.topics import TopicDesk
from services.cache.service.validators import VALIDATORS
from services.chassis.chance import SystemChance
from services.chassis.clock import Clock, SystemClock
from services.chassis.hosted import Hosted
from services.chassis.launch import launch
from services.chassis.server import serve

NAME = "cache"
CALLERS = frozenset(("game", "gateway", "persist"))
"""The parts that may call the cache, where parts speak TLS."""
METER = "furlong.cache"

REPLICA_NAME_BYTES = 8
"""Of chance, so that no two replicas have the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The cache put together and at work: what a server hosts, how it tells its health, how it goes away."""

    hosted: Sequence[Hosted]
    liveness: Callable[[], bool]
    drain: Callable[[], None]


@asynccontextmanager
async def cache(config: CacheConfig, clock: Clock) -> AsyncIterator[Cache]:
    """Put the cache together, and take it apart again."""
    # Stamps begin where the store's would, so that versions rise even when this replica never sees the store.
    link = Link(configured=bool(config.redis_url), known=clock.now_ms() * 1_000)
    tally = Tally()
    memory = Memory(config.bytes_max, l1_quotas(config.bytes_max))
    watchers = Watchers(link=link)
    if not config.redis_url:
        tiers = Tiers(memory=memory, link=link, store=None, watchers=watchers, tally=tally, clock=clock)
        topics = Topics(store=None, link=link)
        leases = Leases(tiers=tiers, link=link, store=None, tally=tally, clock=clock)
        sight = Sight(tally=tally, memory=memory, link=link, canary=None)
        sight.report_to(metrics.get_meter(METER))
        desk = CacheDesk(
            tiers=tiers,
            leases=leases,
            conditions=Conditions(tiers=tiers, link=link, store=None, tally=tally, clock=clock),
            numbers=Numbers(link=link, store=None, clock=clock),
            watchers=watchers,
            sight=sight,
        )
        try:
            yield Cache(hosted=_hosted(desk, topics), liveness=lambda: True, drain=_drain(topics, watchers))
        finally:
            await leases.close()
        return
    client = RedisClient(config.redis_url)
    store, messages = RedisStore(client), RedisTopics(client)
    tiers = Tiers(memory=memory, link=link, store=store, watchers=watchers, tally=tally, clock=clock)
    topics = Topics(store=messages, link=link)
    follower = Follower(
        tiers=tiers, topics=topics, link=link, entries=store, state=store, messages=messages, clock=clock
    )
    canary = Canary(
        tiers=tiers,
        topics=topics,
        link=link,
        clock=clock,
        replica=SystemChance().bytes(REPLICA_NAME_BYTES).hex(),
        interval_s=config.canary_ms / 1_000,
    )
    leases = Leases(tiers=tiers, link=link, store=store, tally=tally, clock=clock)
    sight = Sight(tally=tally, memory=memory, link=link, canary=canary)
    sight.report_to(metrics.get_meter(METER))
    desk = CacheDesk(
        tiers=tiers,
        leases=leases,
        conditions=Conditions(tiers=tiers, link=link, store=store, tally=tally, clock=clock),
        numbers=Numbers(link=link, store=store, clock=clock),
        watchers=watchers,
        sight=sight,
    )
    await follower.start()
    if config.canary_ms:
        canary.start()
    try:
        yield Cache(
            hosted=_hosted(desk, topics),
            liveness=follower.alive,
            drain=_drain(topics, watchers),
        )
    finally:
        await leases.close()
        await canary.close()
        await follower.close()
        await client.close()


def _drain(topics: Topics, watchers: Watchers) -> Callable[[], None]:
    def drain() -> None:
        topics.drain()
        watchers.drain()

    return drain


def _hosted(desk: CacheDesk, topics: Topics) -> Sequence[Hosted]:
    return (
        Hosted(
            add=cache_service_pb2_grpc.add_CacheServiceServicer_to_server,
            servicer=desk,
            descriptor=cache_service_pb2.DESCRIPTOR.services_by_name["CacheService"],
            raw_answers=RAW_ANSWERS,
            raw_streams=RAW_STREAMS,
        ),
        Hosted(
            add=topic_service_pb2_grpc.add_TopicServiceServicer_to_server,
            servicer=TopicDesk(topics=topics),
            descriptor=topic_service_pb2.DESCRIPTOR.services_by_name["TopicService"],
        ),
    )


async def run(config: CacheConfig) -> None:
    """Serve until told to end."""
    map_large_values()
    clock = SystemClock()
    async with cache(config, clock) as parts:

        async def drain() -> None:
            parts.drain()

        await serve(
            name=NAME,
            config=config.server,
            hosted=parts.hosted,
            validators=VALIDATORS,
            liveness=parts.liveness,
            readiness=lambda: True,  # a cache without Redis is slow, and still better than none
            on_drain=drain,
            clock=clock,
            callers=CALLERS,
        )


if __name__ == "__main__":
    launch(NAME, CacheConfig, run)
