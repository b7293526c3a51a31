"""Two replicas on one Redis: what one is told, the other knows soon."""

import asyncio
import random
from typing import Any

import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from services.cache.domain.bounds import PATTERN_MARKS_MAX, TAG_MARKS_MAX
from tests.caches import STRICT, Found, Replica, be_patient, eventually, replica


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


async def held_by_both(one: Replica, other: Replica, key: str, value: bytes, *tags: str) -> None:
    """Set an entry and have both replicas hold it in L1."""
    await one.set(key, value, STRICT, tags=tags)
    assert await other.value(key, STRICT) == value

    async def in_l1() -> bool:
        return (await other.get(key, STRICT)).tier == Found.L1

    await eventually(in_l1)


async def test_what_one_replica_sets_the_other_finds_in_redis_and_then_holds(one: Replica, other: Replica) -> None:
    version = await one.set("key", b"value", STRICT)
    first, second = await other.get("key", STRICT), await other.get("key", STRICT)
    assert (first.value, first.version, first.tier) == (b"value", version, Found.L2)
    assert (second.value, second.version, second.tier) == (b"value", version, Found.L1)


async def test_a_new_value_replaces_the_old_one_that_another_replica_holds(one: Replica, other: Replica) -> None:
    await held_by_both(one, other, "key", b"old")
    await one.set("key", b"new", STRICT)

    async def is_new() -> bool:
        return await other.value("key", STRICT) == b"new"

    await eventually(is_new)


@pytest.mark.parametrize("target", [{"keys": ["key"]}, {"tag": "tag"}, {"pattern": "k?y"}, {"everything": True}])
async def test_what_one_replica_is_told_to_forget_the_other_forgets(
    one: Replica, other: Replica, target: dict[str, Any]
) -> None:
    await held_by_both(one, other, "key", b"value", "tag")
    await one.invalidate(STRICT, **target)

    async def is_gone() -> bool:
        return await other.value("key", STRICT) is None

    await eventually(is_gone)
    assert await one.value("key", STRICT) is None


async def test_a_flush_reaches_every_replica_and_leaves_topics_alone(one: Replica, other: Replica) -> None:
    await held_by_both(one, other, "key", b"value")
    await one.publish("track/harbour-mile", b"1")
    await one.flush()

    async def is_gone() -> bool:
        return await other.value("key", STRICT) is None

    await eventually(is_gone)
    assert (await other.publish("track/harbour-mile", b"2")).sequence == 2


@pytest.mark.parametrize("target", [{"tag": "tag"}, {"pattern": "k?y"}, {"everything": True}])
async def test_a_replica_that_starts_later_knows_what_was_invalidated_before(
    redis: RedisServer, one: Replica, target: dict[str, Any]
) -> None:
    await one.set("key", b"value", STRICT, tags=["tag"])
    await one.invalidate(STRICT, **target)
    async with replica(redis.url) as late:
        assert await late.value("key", STRICT) is None


@pytest.mark.parametrize(
    ("kind", "most"), [("tag", TAG_MARKS_MAX), ("pattern", PATTERN_MARKS_MAX)], ids=["tags", "patterns"]
)
async def test_marks_stay_few_however_many_tags_and_patterns_are_invalidated(
    redis: RedisServer, one: Replica, other: Replica, kind: str, most: int
) -> None:
    await held_by_both(one, other, "key", b"value", "tag")
    for start in range(0, most + 1, 50):
        names = [f"{kind} {n}" for n in range(start, min(start + 50, most + 1))]
        await asyncio.gather(*(one.invalidate(STRICT, **{kind: name}) for name in names))
    with client_of_redis.Redis.from_url(redis.url) as client:
        state: Any = client.hgetall("{furlong}:cache:state")
        assert client.keys("{furlong}:cache:m:*") == []
    assert len(state) <= 5
    assert await one.value("key", STRICT) is None, "the namespace's mark took the place of all of them"


async def test_after_any_mixture_of_changes_both_replicas_agree(one: Replica, other: Replica) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    keys = [f"key {n}" for n in range(5)]
    replicas = (one, other)

    async def step() -> None:
        under_test, key = chance.choice(replicas), chance.choice(keys)
        match chance.randrange(8):
            case 0 | 1:
                await under_test.set(key, b"%d" % chance.randrange(1_000), STRICT, tags=[chance.choice("ab")])
            case 2:
                await under_test.delete(key, STRICT)
            case 3:
                await under_test.invalidate(STRICT, tag=chance.choice("ab"))
            case 4:
                await under_test.invalidate(STRICT, pattern=f"*{chance.randrange(5)}")
            case _:
                await under_test.get(key, STRICT)

    for _ in range(60):
        await asyncio.gather(*(step() for _ in range(8)))

    async def agree() -> bool:
        held = [[await each.value(key, STRICT) for key in keys] for each in replicas]
        return held[0] == held[1]

    try:
        await eventually(agree)
    except TimeoutError:
        pytest.fail(f"the replicas disagree; seed {seed}")
