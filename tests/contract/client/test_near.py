"""The near cache before a real cache service, with Redis and without."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
import redis
from furlong.client import FurlongError
from furlong.client.near import BYTES, Coherence, NearCache, NearPolicy, of_message
from furlong.common.v1.round_pb2 import Track

from deploy.local.redis import RedisServer
from tests.caches import EVENTUAL, STRICT, Found, Replica, be_patient, eventually, replica
from tests.near import Source, ask_patiently, do_not_wait_for_replicas, hears, near_cache, wrapped
from tests.redis import redis_server


@pytest.fixture(scope="module")
def running_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["without redis", "with redis"])
async def service(
    request: pytest.FixtureRequest, running_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replica]:
    be_patient(monkeypatch)
    do_not_wait_for_replicas(monkeypatch)
    ask_patiently(monkeypatch)
    with redis.Redis.from_url(running_redis.url) as client:
        client.flushall()
    async with replica(running_redis.url if request.param == "with redis" else "") as under_test:
        yield under_test


@pytest.fixture
async def cache(service: Replica) -> AsyncIterator[NearCache]:
    async with near_cache(target(service)) as under_test:
        await hears(under_test)
        yield under_test


@pytest.fixture
def source() -> Source:
    source = Source()
    source.entries["key"] = b"value"
    return source


def target(service: Replica) -> str:
    return f"127.0.0.1:{service.server.port}"


async def kept(cache: NearCache, namespace: str = STRICT) -> None:
    """Wait until what was loaded is kept: callers have it before."""

    async def is_kept() -> bool:
        return cache.stats()[namespace].entries > 0

    await eventually(is_kept)


async def test_what_was_loaded_once_is_answered_from_here(cache: NearCache, service: Replica, source: Source) -> None:
    load = wrapped(cache, source)
    assert await load("key") == b"value"
    await kept(cache)
    assert [await load("key") for _ in range(3)] == [b"value"] * 3
    assert source.loads == 1
    assert cache.stats()[STRICT].hits == 3
    assert (await service.get("key", STRICT)).value == b"value"


async def test_what_another_process_loaded_is_found(cache: NearCache, service: Replica, source: Source) -> None:
    load = wrapped(cache, source)
    await load("key")
    await kept(cache)
    async with near_cache(target(service)) as other:
        await hears(other)
        assert await wrapped(other, source)("key") == b"value"
        assert other.stats()[STRICT].found == 1
        assert other.stats()[STRICT].entries == 1
    assert source.loads == 1


async def test_processes_that_ask_at_once_load_once(service: Replica, source: Source) -> None:
    async with near_cache(target(service)) as one, near_cache(target(service)) as other:
        loads = [wrapped(each, source) for each in (one, other)]
        source.is_open.clear()
        asking = [asyncio.ensure_future(load("key")) for load in loads for _ in range(50)]
        while source.loads == 0:  # noqa: ASYNC110 - the near caches bring it about
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        source.is_open.set()
        assert set(await asyncio.gather(*asking)) == {b"value"}
    assert source.loads == 1


async def test_nothing_is_kept_as_an_answer(cache: NearCache, service: Replica, source: Source) -> None:
    load = wrapped(cache, source)
    assert await load("nothing") is None
    await kept(cache)
    assert await load("nothing") is None
    assert source.loads == 1
    assert (await service.get("nothing", STRICT)).outcome == Found.ABSENT


@pytest.mark.parametrize("target_of", ["keys", "pattern", "tag", "everything"])
async def test_what_somebody_else_invalidates_is_loaded_anew(
    cache: NearCache, service: Replica, source: Source, target_of: str
) -> None:
    load = cache.cached(STRICT, key=lambda name: name, codec=BYTES, tags=lambda name: ("tag",))(source.load)
    await load("key")
    await kept(cache)
    source.entries["key"] = b"new"
    value = {"keys": ["key"], "pattern": "k?y", "tag": "tag", "everything": True}[target_of]
    await service.invalidate(STRICT, **{target_of: value})

    async def is_new() -> bool:
        return await load("key") == b"new"

    await eventually(is_new)


async def test_what_somebody_else_sets_is_found(cache: NearCache, service: Replica, source: Source) -> None:
    load = wrapped(cache, source)
    await load("key")
    await kept(cache)
    await service.set("key", b"set", STRICT)

    async def is_set() -> bool:
        return await load("key") == b"set"

    await eventually(is_set)
    assert source.loads == 1


async def test_a_flush_is_heard(cache: NearCache, service: Replica, source: Source) -> None:
    load = wrapped(cache, source)
    await load("key")
    await kept(cache)
    source.entries["key"] = b"new"
    await service.flush()

    async def is_new() -> bool:
        return await load("key") == b"new"

    await eventually(is_new)
    assert cache.gaps >= 1


async def test_what_we_forget_is_loaded_anew_at_once(cache: NearCache, source: Source) -> None:
    load = wrapped(cache, source)
    for n in range(20):
        source.entries["key"] = b"%d" % n
        await load.forget("key")
        assert await load("key") == b"%d" % n


async def test_a_delete_while_a_load_is_under_way_keeps_its_result_out_of_both_caches(
    cache: NearCache, service: Replica, source: Source
) -> None:
    load = wrapped(cache, source)
    source.is_open.clear()
    asking = asyncio.ensure_future(load("key"))
    while source.loads == 0:  # noqa: ASYNC110 - the near cache brings it about
        await asyncio.sleep(0.01)
    source.entries["key"] = b"new"
    await service.delete("key", STRICT)
    source.is_open.set()
    assert await asking == b"value", "who asked before the change may have what was true then"

    async def was_refused() -> bool:
        return cache.stats()[STRICT].refused == 1

    await eventually(was_refused)
    assert await load("key") == b"new"


async def test_a_load_that_fails_leaves_the_next_caller_the_lease(cache: NearCache, source: Source) -> None:
    load = wrapped(cache, source)
    source.error = ValueError("the source is ill")
    with pytest.raises(ValueError, match="ill"):
        await load("key")
    source.error = None
    await asyncio.sleep(0.1)
    assert await load("key") == b"value"
    await kept(cache)


async def test_an_entry_that_expires_is_given_out_once_more_while_it_is_loaded(
    service: Replica, source: Source
) -> None:
    async with near_cache(target(service), NearPolicy(namespace=STRICT, stale_ms=30_000)) as cache:
        await hears(cache)
        load = wrapped(cache, source)
        await load("key")
        await kept(cache)
        source.entries["key"] = b"new"
        await load.expire("key")
        assert await load("key") == b"value"

        async def is_new() -> bool:
            return await load("key") == b"new"

        await eventually(is_new)


async def test_results_are_objects_of_each_caller_s_own(cache: NearCache) -> None:
    @cache.cached(STRICT, codec=of_message(Track))
    async def track(name: str) -> Track:
        """Load a track."""
        return Track(track=name)

    first = await track("harbour-mile")
    first.track = "changed by a caller"
    await kept(cache)
    assert (await track("harbour-mile")).track == "harbour-mile"
    assert track.__doc__ == "Load a track."


async def test_methods_can_be_wrapped(cache: NearCache) -> None:
    class Tracks:
        loads = 0

        @cache.cached(STRICT, key=lambda self, name: name)
        async def find(self, name: str) -> dict[str, str]:
            self.loads += 1
            return {"name": name}

    tracks = Tracks()
    assert await tracks.find("harbour-mile") == {"name": "harbour-mile"}
    await kept(cache)
    assert await tracks.find(name="harbour-mile") == {"name": "harbour-mile"}
    assert tracks.loads == 1


async def test_bytes_that_mean_nothing_are_loaded_instead(cache: NearCache, service: Replica) -> None:
    await service.set("key", b"{no json", STRICT)

    @cache.cached(STRICT, key=lambda: "key")
    async def load() -> list[int]:
        return [1]

    assert [await load(), await load()] == [[1], [1]]
    assert cache.stats()[STRICT].broken == 2


@pytest.mark.parametrize("key", ["", "k" * 513])
async def test_a_key_that_the_service_does_not_take_is_refused_here(cache: NearCache, source: Source, key: str) -> None:
    with pytest.raises(ValueError, match="bytes, not 1 to 512"):
        await wrapped(cache, source)(key)


async def test_a_namespace_without_a_policy_is_refused(cache: NearCache, source: Source) -> None:
    with pytest.raises(ValueError, match="no policy"):
        wrapped(cache, source, EVENTUAL)


async def test_policies_are_one_for_each_namespace(service: Replica) -> None:
    policy = NearPolicy(namespace=STRICT)
    with pytest.raises(ValueError, match="two policies"):
        async with near_cache(target(service), policy, policy):
            pass


async def test_an_invalidation_that_the_service_refuses_is_raised(cache: NearCache) -> None:
    with pytest.raises(FurlongError) as error:
        await cache.invalidate(STRICT, pattern="[")
    assert error.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_only_one_target_is_invalidated_at_a_time(cache: NearCache) -> None:
    with pytest.raises(ValueError, match="keys, or a pattern, or a tag"):
        await cache.invalidate(STRICT, keys=["a"], tag="b")


async def test_a_namespace_that_the_service_does_not_know_costs_only_its_help(
    service: Replica, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    async with near_cache(target(service), NearPolicy(namespace="nonsense")) as cache:
        load = wrapped(cache, source, "nonsense")
        assert [await load("key"), await load("key")] == [b"value"] * 2
        assert source.loads == 2
    assert "is none of" in caplog.text


async def test_an_eventual_entry_outlives_the_service(service: Replica, source: Source) -> None:
    policy = NearPolicy(namespace=EVENTUAL, coherence=Coherence.EVENTUAL)
    async with near_cache(target(service), policy) as cache:
        await hears(cache)
        load = wrapped(cache, source, EVENTUAL)
        await load("key")
        await kept(cache, EVENTUAL)
        await service.server.drain()
        assert await load("key") == b"value"
    assert source.loads == 1


async def test_a_closed_cache_still_answers(service: Replica, source: Source) -> None:
    async with near_cache(target(service)) as cache:
        load = wrapped(cache, source)
    assert [await load("key"), await load("key")] == [b"value"] * 2
    assert source.loads == 2
