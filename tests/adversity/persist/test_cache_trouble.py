"""The cache dies, hangs, refuses and comes back: persist answers on, and waits for nobody."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2, cache_service_pb2_grpc
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Track
from furlong.persist.v1.round_store_service_pb2 import GetRoundRequest
from furlong.persist.v1.track_store_service_pb2 import CreateTrackRequest, GetTrackRequest, ListTracksRequest

from deploy.local.postgres import PostgresServer
from services.chassis.hosted import Hosted
from services.persist.adapters.cache import DEADLINE_S, FAILURES_MAX, FORGET_DEADLINE_S, PROBE_S
from tests.caches import eventually, replica
from tests.crashing import Stopwatch
from tests.loopback import until, wired
from tests.persisting import Stubs, World, persisting
from tests.redis import redis_server
from tests.served import serving

SLACK_S = 0.4
"""What a busy machine adds to a time that is tested; with it, it is still less than the cache's own deadlines."""


@contextmanager
def soon(most_s: float) -> Iterator[None]:
    """Hold the block to a time, with the slack, and with more of both where the machine is busy with something else."""
    watch = Stopwatch()
    yield
    took = watch.outage("trouble with the cache", time.monotonic(), most_s + SLACK_S)
    assert not took.is_too_long, str(took)


class FrozenCache:
    """A cache that takes calls and, while it is `frozen`, never answers them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.frozen = True

    def hosted(self) -> Hosted:
        descriptor = cache_service_pb2.DESCRIPTOR.services_by_name["CacheService"]
        methods = {method.name: self._method(method.name) for method in descriptor.methods}
        return Hosted(
            add=cache_service_pb2_grpc.add_CacheServiceServicer_to_server,
            servicer=SimpleNamespace(**methods),
            descriptor=descriptor,
        )

    def sent(self, *names: str) -> int:
        return sum(call in names for call in self.calls)

    def _method(self, name: str) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            self.calls.append(name)
            if self.frozen:
                await asyncio.sleep(60)
            return getattr(cache_service_pb2, f"{name}Response")()

        return answer


@asynccontextmanager
async def world_on(postgres: PostgresServer, cache_address: str) -> AsyncIterator[World]:
    """A track, and persist with a cache at an address."""
    async with persisting(postgres.url, cache_address=cache_address) as stubs:
        world = World(stubs, postgres.url)
        await world.found()
        yield world


async def names(of: Stubs) -> list[str]:
    """The names of all tracks."""
    response = await of.tracks.ListTracks(ListTracksRequest(page_size=100))
    return [track.track for track in response.tracks]


async def copy(world: World, name: str) -> None:
    """Make another track like the world's."""
    asked = GetTrackRequest(track=world.track)
    track = Track()
    track.CopyFrom((await world.stubs.tracks.GetTrack(asked)).track)
    track.track = name
    await world.stubs.tracks.CreateTrack(CreateTrackRequest(request_id=uuid7(), track=track))


async def test_a_frozen_cache_costs_its_deadline_a_few_times_and_then_nothing(postgres: PostgresServer) -> None:
    cache = FrozenCache()
    async with serving(cache.hosted()) as server, world_on(postgres, f"127.0.0.1:{server.server.port}") as world:
        for _ in range(FAILURES_MAX):
            with soon(DEADLINE_S):
                assert await names(world.stubs) == [world.track]
        lookups = cache.sent("Get", "Set", "Delete")
        assert lookups <= 2 * FAILURES_MAX
        for _ in range(100):
            assert await names(world.stubs) == [world.track]
        assert cache.sent("Get", "Set", "Delete") == lookups
        cache.frozen = False

        async def asked_again() -> bool:
            await names(world.stubs)
            return cache.sent("Get") > lookups

        await eventually(asked_again, within_s=20 * PROBE_S)


async def test_a_commit_does_not_wait_for_a_frozen_cache_longer_than_its_deadline(postgres: PostgresServer) -> None:
    cache = FrozenCache()
    async with serving(cache.hosted()) as server, world_on(postgres, f"127.0.0.1:{server.server.port}") as world:
        with soon(DEADLINE_S + FORGET_DEADLINE_S):  # a read and a write
            await copy(world, "another")
        assert await names(world.stubs) == ["another", world.track]


async def test_a_cache_that_swallows_connections_keeps_nobody(postgres: PostgresServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:  # the kernel takes connections, and nobody reads them
        async with world_on(postgres, f"127.0.0.1:{hole.getsockname()[1]}") as world:
            for _ in range(FAILURES_MAX + 1):
                with soon(DEADLINE_S):
                    assert await names(world.stubs) == [world.track]


async def test_a_cache_that_dies_under_load_fails_no_read_and_is_used_again_when_it_is_back(
    postgres: PostgresServer,
) -> None:
    async with replica() as cache, wired(cache.server.port) as wire, world_on(postgres, wire.target) as world:
        settled = await world.settle((await world.open()).round.round_id)
        request = GetRoundRequest(round_id=settled.round.round_id)
        answered = 0

        async def read_on() -> None:
            nonlocal answered
            while True:
                assert (await world.stubs.rounds.GetRound(request)).stored == settled
                answered += 1
                await asyncio.sleep(0.005)

        async def hits() -> int:
            stats = (await cache.stats()).namespaces
            return sum(each.hits_l1 for each in stats if each.namespace == "rounds")

        async def more(than: int) -> bool:
            return await hits() > than

        readers = [asyncio.create_task(read_on()) for _ in range(4)]
        try:
            await eventually(lambda: more(10))
            await wire.cut()
            before = answered
            await asyncio.sleep(2 * PROBE_S)
            await until(lambda: answered > before + 20)
            seen = await hits()
            await wire.connect()
            await eventually(lambda: more(seen + 10))
        finally:
            for reader in readers:
                reader.cancel()
            ended = await asyncio.gather(*readers, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def test_redis_is_killed_and_comes_back_and_no_answer_changes(postgres: PostgresServer) -> None:
    with redis_server() as redis:
        async with (
            replica(redis.url) as one,
            replica(redis.url) as other,
            world_on(postgres, f"127.0.0.1:{one.server.port}") as world,
            persisting(postgres.url, cache_address=f"127.0.0.1:{other.server.port}") as second,
        ):
            expected = [world.track]
            for number, happens in enumerate((redis.kill, redis.start, lambda: None)):
                for of in (world.stubs, second, world.stubs, second):
                    assert await names(of) == expected
                await asyncio.to_thread(happens)
                await copy(world, f"new-{number}")
                expected = sorted([*expected, f"new-{number}"])
                for of in (world.stubs, second, world.stubs):
                    await eventually(partial(is_told, of, expected), within_s=5.0)  # replicas tell each other


async def is_told(of: Stubs, expected: list[str]) -> bool:
    return await names(of) == expected


async def test_a_cache_that_refuses_our_token_costs_no_answer(postgres: PostgresServer) -> None:
    cache = FrozenCache()
    cache.frozen = False

    async def refuse(request: Any, context: Any) -> None:
        cache.calls.append("refused")
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not with this token")

    hosted = cache.hosted()
    for method in hosted.descriptor.methods:
        setattr(hosted.servicer, method.name, refuse)
    async with serving(hosted) as server, world_on(postgres, f"127.0.0.1:{server.server.port}") as world:
        for _ in range(2 * FAILURES_MAX):
            assert await names(world.stubs) == [world.track]

        async def asked_on() -> bool:
            return cache.sent("refused") > 2 * FAILURES_MAX

        await eventually(asked_on, within_s=10 * FAILURES_MAX * PROBE_S)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"])
async def test_persist_starts_and_serves_where_there_is_no_cache_yet(postgres: PostgresServer, address: str) -> None:
    async with world_on(postgres, address) as world:
        for _ in range(2 * FAILURES_MAX):
            with soon(DEADLINE_S):
                assert await names(world.stubs) == [world.track]
