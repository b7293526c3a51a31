"""Callers who give up, ten thousand of them, at any moment: nobody else is given their answer, and nothing leaks."""

import asyncio
import random

import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.adapters.redis import client
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.domain.change import Change, Scope
from services.cache.domain.entry import Draft, Key, decode

CALLS = 10_000
AT_ONCE = 100
KEYS = 64
LIFE_MS = 3_600_000
NAMESPACE = "reports"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_S", 30.0)  # a busy machine must not end what is under way


def draft(n: int) -> Draft:
    return Draft(f"{n}", b"%d" % n, (), 0, LIFE_MS, LIFE_MS)


async def test_ten_thousand_random_cancels_leave_no_wrong_value_and_no_connection(redis: RedisServer) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    connected = RedisClient(redis.url)
    store = RedisStore(connected)
    await store.write(NAMESPACE, [draft(n) for n in range(KEYS)], 0)

    async def read() -> int:
        """Read some keys, and tell how many answers were those of others."""
        numbers = [chance.randrange(KEYS) for _ in range(chance.randint(1, 5))]
        stored = await store.read([Key(NAMESPACE, f"{n}") for n in numbers])
        found = [None if raw is None else decode(raw) for raw in stored]
        return sum(entry is None or entry.value != b"%d" % n for n, entry in zip(numbers, found, strict=True))

    async def write() -> int:
        n = chance.randrange(KEYS)
        stamp = await store.write(NAMESPACE, [draft(n)], 0)
        return int(stamp.version <= stamp.incarnation)

    async def invalidate() -> int:
        stamp = await store.forget(Change(NAMESPACE, Scope.TAG, (f"{chance.randrange(9)}",)), 0)
        return int(stamp.version <= stamp.incarnation)

    async def look() -> int:
        return int(await store.incarnation() <= 0)

    async def some(calls: int) -> tuple[int, int]:
        """Call and give up, one call after another; how many were given up, and how many answers were wrong."""
        given_up = wrong = 0
        for _ in range(calls):
            call = asyncio.ensure_future(chance.choice((read, read, read, write, invalidate, look))())
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            if chance.random() < 0.9:
                call.cancel()
            try:
                wrong += await call
            except asyncio.CancelledError:
                given_up += 1
        return given_up, wrong

    try:
        with client_of_redis.Redis.from_url(redis.url) as operator:
            before = operator.info("stats")["total_connections_received"]
            outcomes = await asyncio.gather(*(some(CALLS // AT_ONCE) for _ in range(AT_ONCE)))
            opened = operator.info("stats")["total_connections_received"] - before
            open_now = operator.info("clients")["connected_clients"]
    finally:
        await connected.close()
    given_up, wrong = (sum(each) for each in zip(*outcomes, strict=True))
    assert given_up > CALLS / 2, "most of them gave up before they had an answer"
    assert wrong == 0, f"somebody was given the answer of another; seed {seed}"
    assert opened <= len(connected._lines), "no call that was given up cost a connection"
    assert open_now <= len(connected._lines) + 1


async def test_nothing_of_a_client_is_left_when_it_is_closed(redis: RedisServer) -> None:
    with client_of_redis.Redis.from_url(redis.url) as operator:
        operator.ping()
        before = operator.info("clients")["connected_clients"]
        connected = RedisClient(redis.url)
        store = RedisStore(connected)
        waiting = [asyncio.ensure_future(store.read([Key(NAMESPACE, f"{n}")])) for n in range(10)]
        await store.incarnation()
        await connected.close()
        await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(5):
            while operator.info("clients")["connected_clients"] > before:  # noqa: ASYNC110 - the server sees it later
                await asyncio.sleep(0.01)
