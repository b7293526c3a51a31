"""A million entries are invalidated by one command that looks at none of them, whatever the clocks of replicas say."""

import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.adapters.redis import keys
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.domain.change import Change, Scope
from services.cache.domain.entry import Key
from tests.caches import Replica, be_patient, eventually, replica
from tests.clocks import ManualClock

ENTRIES: Final = 1_000_000
NAMESPACE: Final = "rounds"
TAG: Final = "track:harbour-mile"
TIMES: Final = 25
SERVER_US_MAX: Final = 1_000
SKEW_MS: Final = 10 * 60_000

MULTIPLY: Final = """
local raw = redis.call('GET', KEYS[1])
for n = 1, tonumber(ARGV[1]) do redis.call('SET', KEYS[1] .. n, raw, 'PX', 3600000) end
"""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


def multiply(server: RedisServer, key: str) -> None:
    """Have a million entries that are like one."""
    with client_of_redis.Redis.from_url(server.url, socket_timeout=300) as operator:
        operator.config_set("maxmemory", "2gb")
        for start in range(0, ENTRIES, ENTRIES // 10):
            operator.eval(MULTIPLY.replace("1, ", f"{start + 1}, "), 1, key, start + ENTRIES // 10)
        assert operator.dbsize() > ENTRIES


async def server_us(server: RedisServer, change: Change) -> Sequence[float]:
    """What the server says that each of some invalidations took it."""
    connected = RedisClient(server.url)
    store = RedisStore(connected)
    took: list[float] = []
    try:
        with client_of_redis.Redis.from_url(server.url) as operator:
            await store.forget(change, 0)  # the server learns the script
            for _ in range(TIMES):
                operator.config_resetstat()
                await store.forget(change, 0)
                stats: Any = operator.info("commandstats")
                took.append(stats["cmdstat_evalsha"]["usec"])
    finally:
        await connected.close()
    return took


async def test_a_million_entries_are_invalidated_within_a_millisecond_of_the_server(
    redis: RedisServer, one: Replica
) -> None:
    await one.set("many", b"value", NAMESPACE, tags=[TAG])
    multiply(redis, keys.entry(Key(NAMESPACE, "many")))
    some = [f"many{n}" for n in range(1, ENTRIES, ENTRIES // 50)]
    assert {await one.value(key, NAMESPACE) for key in some} == {b"value"}
    by_tag_us = await server_us(redis, Change(NAMESPACE, Scope.TAG, (TAG,)))
    assert statistics.median(by_tag_us) <= SERVER_US_MAX, by_tag_us

    async def are_gone() -> bool:
        return {await one.value(key, NAMESPACE) for key in some} == {None}

    await eventually(are_gone)
    await one.set("many1", b"new", NAMESPACE)
    assert await one.value("many1", NAMESPACE) == b"new"
    as_a_whole_us = await server_us(redis, Change(NAMESPACE, Scope.NAMESPACE))
    assert statistics.median(as_a_whole_us) <= SERVER_US_MAX, as_a_whole_us
    assert await one.value("many1", NAMESPACE) is None


@pytest.fixture
async def apart(redis: RedisServer) -> AsyncIterator[Sequence[Replica]]:
    """Replicas whose clocks are ten minutes apart."""
    async with AsyncExitStack() as running:
        now_ms = ManualClock().now_ms()
        yield [
            await running.enter_async_context(replica(redis.url, clock=ManualClock(now_ms + skew_ms)))
            for skew_ms in (0, SKEW_MS)
        ]


@pytest.mark.parametrize("target", [{"tag": TAG}, {"pattern": "k*"}, {"everything": True}, {"keys": ["key"]}])
@pytest.mark.parametrize("writer", [0, 1], ids=["set by the early", "set by the late"])
@pytest.mark.parametrize("teller", [0, 1], ids=["invalidated by the early", "invalidated by the late"])
async def test_clocks_ten_minutes_apart_neither_save_the_old_nor_kill_the_new(
    apart: Sequence[Replica], target: dict[str, Any], writer: int, teller: int
) -> None:
    async def all_have(value: bytes | None) -> bool:
        return {await each.value("key", NAMESPACE) for each in apart} == {value}

    await apart[writer].set("key", b"old", NAMESPACE, tags=[TAG])
    await eventually(lambda: all_have(b"old"))
    await apart[teller].invalidate(NAMESPACE, **target)
    await eventually(lambda: all_have(None))
    await apart[writer].set("key", b"new", NAMESPACE, tags=[TAG])
    await eventually(lambda: all_have(b"new"))
