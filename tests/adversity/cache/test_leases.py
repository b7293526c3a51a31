"""Leases over replicas on one Redis: one load for all, whoever asks where, and another when its caller dies."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.domain.namespace import NAMESPACES
from tests.caches import EVENTUAL, STRICT, Found, Replica, be_patient, eventually, replica

REPLICAS = 4
CALLERS = 1_000
LEASE_MS = NAMESPACES[STRICT].lease_ms
LOAD_S = 0.05
PATIENCE_S = 30.0
"""Thousands of callers and four replicas in one process take longer than a call may."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture
async def replicas(redis: RedisServer) -> AsyncIterator[list[Replica]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(replica(redis.url)) for _ in range(REPLICAS)]


async def test_a_thousand_misses_at_each_of_four_replicas_are_one_load(
    redis: RedisServer, replicas: list[Replica]
) -> None:
    loads = 0
    connections: list[int] = []

    async def caller(at: Replica) -> bytes:
        nonlocal loads
        while True:
            found = await at.want("key", EVENTUAL, wait_ms=400, within_s=PATIENCE_S)
            if found.outcome == Found.HIT:
                return found.value
            if found.HasField("lease"):
                loads += 1
                await asyncio.sleep(LOAD_S)
                with client_of_redis.Redis.from_url(redis.url) as operator:
                    connections.append(len(operator.client_list()))
                assert (await at.write("key", b"loaded", EVENTUAL, lease_token=found.lease.token)).stored

    values = await asyncio.gather(*(caller(at) for at in replicas for _ in range(CALLERS)))
    assert values == [b"loaded"] * REPLICAS * CALLERS
    assert loads == 1
    assert connections[0] <= REPLICAS * 12, "who waits holds no connection"
    counted = [each for at in replicas for each in (await at.stats()).namespaces if each.namespace == EVENTUAL]
    assert sum(each.leases for each in counted) == 1


async def test_who_waits_at_another_replica_has_the_value_as_soon_as_it_is_there(one: Replica, other: Replica) -> None:
    token = await one.won("key", STRICT)
    waiting = asyncio.ensure_future(other.want("key", STRICT, wait_ms=400))
    await asyncio.sleep(0.05)
    filled_s = asyncio.get_running_loop().time()
    await one.write("key", b"loaded", STRICT, lease_token=token)
    assert (await waiting).value == b"loaded"
    assert asyncio.get_running_loop().time() - filled_s < 0.3, "it waited for its time instead of the word"


async def test_who_waits_at_another_replica_wins_what_is_given_back(one: Replica, other: Replica) -> None:
    token = await one.won("key", STRICT)
    waiting = asyncio.ensure_future(other.want("key", STRICT, wait_ms=400))
    await asyncio.sleep(0.05)
    await one.release("key", token, STRICT)
    assert (await waiting).lease.token > token


async def test_when_the_caller_who_loads_dies_the_next_may_when_its_time_is_over(one: Replica, other: Replica) -> None:
    started_s = asyncio.get_running_loop().time()
    token = await one.won("key", STRICT)

    async def has_won() -> bool:
        return (await other.want("key", STRICT, wait_ms=400)).lease.token > token

    await eventually(has_won, within_s=LEASE_MS / 1_000 + 2)
    took_s = asyncio.get_running_loop().time() - started_s
    assert LEASE_MS / 1_000 - 0.1 <= took_s <= LEASE_MS / 1_000 + 1
    assert not (await one.write("key", b"from the dead", STRICT, lease_token=token)).stored


async def test_a_fill_at_one_replica_is_refused_after_a_delete_at_another(one: Replica, other: Replica) -> None:
    for target in ({"keys": ["key"]}, {"pattern": "k*"}, {"tag": "tag"}, {"everything": True}):
        token = await one.won("key", STRICT)
        await other.invalidate(STRICT, **target)
        await one.write("key", b"late", STRICT, lease_token=token, tags=["tag"])

        async def is_gone() -> bool:
            return await one.value("key", STRICT) is None

        assert await other.value("key", STRICT) is None, target
        await eventually(is_gone)


async def test_a_lease_is_worth_nothing_when_redis_has_lost_its_memory(redis: RedisServer, one: Replica) -> None:
    token = await one.won("key", STRICT)
    with client_of_redis.Redis.from_url(redis.url) as operator:
        operator.flushall()
    assert not (await one.write("key", b"late", STRICT, lease_token=token)).stored


async def test_many_keys_wanted_at_once_by_all_are_each_loaded_once(replicas: list[Replica]) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    loads: dict[str, int] = {}

    async def caller(at: Replica, key: str) -> None:
        while True:
            found = await at.want(key, EVENTUAL, wait_ms=400, within_s=PATIENCE_S)
            if found.outcome == Found.HIT:
                assert found.value == key.encode()
                return
            if found.HasField("lease"):
                loads[key] = loads.get(key, 0) + 1
                await asyncio.sleep(chance.random() * LOAD_S)
                await at.write(key, key.encode(), EVENTUAL, lease_token=found.lease.token)

    keys = [f"key {n}" for n in range(40)]
    await asyncio.gather(*(caller(at, key) for at in replicas for key in keys for _ in range(5)))
    assert loads == dict.fromkeys(keys, 1), f"seed {seed}"
