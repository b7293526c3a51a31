"""Redis is killed, frozen, flushed or useless: nobody is told, nothing is wrong, and it is over when it is over."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.adapters.redis import client
from tests.caches import EVENTUAL, STRICT, Found, Replica, eventually, replica
from tests.calm import calm
from tests.loopback import until as comes_about
from tests.loopback import wired
from tests.redis import freeze, resume
from tests.served import refused

NOISE_S = 0.25
"""What a busy machine may add to a bound that is tested here; benchmarks/cache.py measures it."""

PATIENCE_S = 0.4
"""How long a call waits for Redis in these tests, so that a busy machine is not taken for an outage. The contract suite
runs with the bound as it is."""

BACK_S = 2.0
"""How soon after the return of Redis everything is as before."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_S", PATIENCE_S)


def kill(server: RedisServer) -> None:
    server.kill()


def bring_back(server: RedisServer) -> None:
    server.start()
    resume(server)


OUTAGES = pytest.mark.parametrize("fail", [kill, freeze], ids=["killed", "frozen"])


async def until(under_test: Replica, state: str, *, within_s: float = BACK_S) -> None:
    async with calm() as clock:
        begun_s = clock.now_s()
        while await under_test.redis() != state:
            assert clock.now_s() - begun_s < within_s, f"Redis is not {state} after {within_s} s"
            await asyncio.sleep(0.01)


@OUTAGES
async def test_the_first_call_of_an_outage_is_bounded_and_the_next_ones_do_not_feel_it(
    redis: RedisServer, one: Replica, fail: Callable[[RedisServer], None]
) -> None:
    async with calm() as clock:
        fail(redis)
        begun_s = clock.now_s()
        assert await one.value("unknown", STRICT) is None
        assert clock.now_s() - begun_s < client.CALL_S + NOISE_S
        begun_s = clock.now_s()
        for n in range(50):
            assert await one.value(f"unknown {n}", STRICT) is None
        assert clock.now_s() - begun_s < 50 * client.CALL_S / 5
    assert await one.redis() == "down"


@OUTAGES
async def test_no_call_about_entries_ever_fails_because_of_redis(
    redis: RedisServer, one: Replica, fail: Callable[[RedisServer], None]
) -> None:
    await one.set("key", b"value", tags=["tag"])
    fail(redis)
    await one.set("other key", b"value")
    await one.delete("key")
    await one.invalidate(tag="tag")
    await one.invalidate(everything=True)
    await one.flush()
    assert await one.value("key") is None


@OUTAGES
async def test_l1_goes_on_answering_what_cannot_be_out_of_date(
    redis: RedisServer, one: Replica, fail: Callable[[RedisServer], None]
) -> None:
    await one.set("key", b"never changes", EVENTUAL)
    await one.set("key", b"may change", STRICT)
    assert await one.value("key", STRICT) == b"may change"
    fail(redis)
    await until(one, "down")
    assert await one.value("key", EVENTUAL) == b"never changes"
    assert await one.value("key", STRICT) is None


@OUTAGES
async def test_publishing_fails_at_once_with_the_reason(
    redis: RedisServer, one: Replica, fail: Callable[[RedisServer], None]
) -> None:
    async with calm() as clock:
        fail(redis)
        for _ in range(10):
            begun_s = clock.now_s()
            refusal = await refused(one.publish("track/harbour-mile", b"frame"))
            assert clock.now_s() - begun_s < client.CALL_S + NOISE_S
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")


@OUTAGES
async def test_everything_is_as_before_soon_after_redis_is_back(
    redis: RedisServer, one: Replica, other: Replica, fail: Callable[[RedisServer], None]
) -> None:
    fail(redis)
    await until(one, "down")
    await until(other, "down")
    bring_back(redis)
    await until(one, "up")
    await until(other, "up")
    await one.set("key", b"value", STRICT)
    found = await other.get("key", STRICT)
    assert (found.value, found.tier) == (b"value", Found.L2)
    await other.delete("key", STRICT)
    await eventually(lambda: misses(one, "key"))


async def misses(under_test: Replica, key: str, namespace: str = STRICT) -> bool:
    return await under_test.value(key, namespace) is None


@pytest.mark.parametrize("change", ["delete", "tag", "pattern", "everything", "flush", "set"])
async def test_what_was_changed_while_redis_was_frozen_does_not_come_back_from_it(
    redis: RedisServer, one: Replica, other: Replica, change: str
) -> None:
    await one.set("key", b"old", STRICT, tags=["tag"])
    assert await other.value("key", STRICT) == b"old"
    freeze(redis)
    await until(one, "down")
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: one.delete("key", STRICT),
        "tag": lambda: one.invalidate(STRICT, tag="tag"),
        "pattern": lambda: one.invalidate(STRICT, pattern="k*"),
        "everything": lambda: one.invalidate(STRICT, everything=True),
        "flush": one.flush,
        "set": lambda: one.set("key", b"new", STRICT),
    }
    await changes[change]()
    resume(redis)
    await until(one, "up")
    await until(other, "up")
    assert await one.value("key", STRICT) != b"old"
    await eventually(lambda: misses(other, "key"))


async def test_a_write_that_timed_out_is_owed_even_when_redis_did_it_after_all(
    redis: RedisServer, one: Replica, other: Replica
) -> None:
    await one.set("key", b"old", STRICT)
    freeze(redis)
    await one.set("key", b"new", STRICT)  # lies in Redis's buffer and is done when it goes on
    assert await one.redis() == "down"
    resume(redis)
    await until(one, "up")
    await until(other, "up")
    assert await one.value("key", STRICT) in (None, b"new")
    assert await other.value("key", STRICT) in (None, b"new")


async def test_a_replica_that_was_cut_off_forgets_what_the_others_changed_meanwhile(
    redis: RedisServer, other: Replica
) -> None:
    async with wired(redis.port) as wire, replica(redis.url.replace(str(redis.port), str(wire.port))) as cut_off:
        await cut_off.set("key", b"old", STRICT)
        await cut_off.set("key", b"old", EVENTUAL)
        await wire.cut()
        await until(cut_off, "down")
        await other.delete("key", STRICT)
        await other.set("key", b"new", EVENTUAL)
        assert await cut_off.value("key", STRICT) is None
        await wire.connect()
        await until(cut_off, "up")
        assert await cut_off.value("key", STRICT) is None
        assert await cut_off.value("key", EVENTUAL) == b"new"


async def test_a_replica_that_was_cut_off_and_missed_nothing_keeps_what_it_has(redis: RedisServer) -> None:
    async with wired(redis.port) as wire, replica(redis.url.replace(str(redis.port), str(wire.port))) as cut_off:
        await cut_off.set("key", b"value", STRICT)
        with cut_off.subscribed("track/harbour-mile") as subscription:
            await subscription.event()
            await cut_off.publish("track/harbour-mile", b"said after the set")
            await subscription.news()  # so the set was heard of
        before = wire.connections
        wire.drop()
        await comes_about(lambda: wire.connections > before)
        await until(cut_off, "up")
        found = await cut_off.get("key", STRICT)
        assert (found.value, found.tier) == (b"value", Found.L1)


async def test_a_flushed_redis_begins_a_new_epoch_in_which_invalidations_work(
    redis: RedisServer, one: Replica, other: Replica
) -> None:
    epoch = (await one.stats()).epoch
    for n in range(20):  # marks and versions that the new store must not be compared with
        await one.set("key", b"old", STRICT, tags=["tag"])
        await one.invalidate(STRICT, tag=f"tag {n}")
    await one.set("key", b"old", STRICT, tags=["tag"])
    assert await other.value("key", STRICT) == b"old"
    with client_of_redis.Redis.from_url(redis.url) as operator:
        operator.flushall()

    async def begun() -> bool:
        epochs = {(await each.stats()).epoch for each in (one, other)}
        return len(epochs) == 1 and epochs != {epoch}

    await eventually(begun)
    await one.set("key", b"new", STRICT, tags=["tag"])
    assert await other.value("key", STRICT) == b"new"
    await one.invalidate(STRICT, tag="tag")
    await eventually(lambda: misses(other, "key"))


async def test_versions_rise_through_a_redis_that_lost_its_memory(redis: RedisServer, one: Replica) -> None:
    versions = [await one.set("key", b"1")]
    redis.kill()
    versions.append(await one.set("key", b"2"))
    redis.start()
    await until(one, "up")
    versions.append(await one.set("key", b"3"))
    with client_of_redis.Redis.from_url(redis.url) as operator:
        operator.flushall()
    versions.append(await one.set("key", b"4"))
    assert versions == sorted(set(versions))


async def test_a_redis_that_refuses_writes_counts_as_down_until_it_takes_them(redis: RedisServer, one: Replica) -> None:
    with client_of_redis.Redis.from_url(redis.url) as operator:
        operator.config_set("min-replicas-to-write", 1)
        await one.set("key", b"value")
        assert await one.redis() == "down"
        assert await one.value("key") == b"value"
        operator.config_set("min-replicas-to-write", 0)
    await until(one, "up")


async def test_a_redis_that_takes_no_more_clients_counts_as_down(redis: RedisServer) -> None:
    with client_of_redis.Redis.from_url(redis.url) as operator:
        operator.config_set("maxclients", 1)
        async with replica(redis.url) as shut_out:
            assert await shut_out.redis() == "down"
            await shut_out.set("key", b"value")
            assert await shut_out.value("key") == b"value"
            operator.config_set("maxclients", 100)
            await until(shut_out, "up")


async def test_a_replica_starts_without_redis_and_finds_it_later(redis: RedisServer) -> None:
    redis.stop()
    async with replica(redis.url) as early:
        assert await early.redis() == "down"
        redis.start()
        await until(early, "up")


async def test_callers_that_give_up_cost_no_connection_and_leave_no_wrong_value(
    redis: RedisServer, one: Replica
) -> None:
    await asyncio.gather(*(one.set(f"key {n}", b"%d" % n) for n in range(50)))
    with client_of_redis.Redis.from_url(redis.url) as operator:
        await one.flush()
        await asyncio.gather(*(one.set(f"key {n}", b"%d" % n) for n in range(50)))
        connected = operator.info("stats")["total_connections_received"]
        for n in range(300):
            asked = asyncio.create_task(one.get(f"key {n % 60}"))
            written = asyncio.create_task(one.set(f"key {n % 50}", b"%d" % (n % 50)))
            await asyncio.sleep(0.0005 * (n % 5))
            asked.cancel()
            written.cancel()
            await asyncio.gather(asked, written, return_exceptions=True)
        for n in range(50):
            assert await one.value(f"key {n}") in (b"%d" % n, None)
        assert operator.info("stats")["total_connections_received"] - connected <= 16
    assert await one.redis() == "up"
