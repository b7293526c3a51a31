"""Redis comes back with less than it had, nothing or what it had a while ago: nobody is given what is out of date."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis as client_of_redis

from deploy.local.redis import RedisServer
from tests.caches import EVENTUAL, STRICT, Replica, be_patient, eventually, replica


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


async def is_up(under_test: Replica) -> bool:
    return await under_test.redis() == "up"


def remember(server: RedisServer) -> None:
    """Have the server come back with what it holds now."""
    with client_of_redis.Redis.from_url(server.url) as operator:
        operator.save()


def come_back(server: RedisServer) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("change", ["delete", "tag", "pattern", "everything", "flush", "set"])
@pytest.mark.parametrize("namespace", [STRICT, EVENTUAL])
async def test_what_was_changed_stays_changed_when_redis_goes_back_to_before_it(
    redis: RedisServer, one: Replica, other: Replica, change: str, namespace: str
) -> None:
    await one.set("key", b"old", namespace, tags=["tag"])
    assert await other.value("key", namespace) == b"old"
    remember(redis)
    changes: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: one.delete("key", namespace),
        "tag": lambda: one.invalidate(namespace, tag="tag"),
        "pattern": lambda: one.invalidate(namespace, pattern="k*"),
        "everything": lambda: one.invalidate(namespace, everything=True),
        "flush": one.flush,
        "set": lambda: one.set("key", b"new", namespace),
    }
    await changes[change]()

    async def is_told() -> bool:
        return await other.value("key", namespace) != b"old"

    await eventually(is_told)
    come_back(redis)
    for _ in range(50):
        for each in (one, other):
            assert await each.value("key", namespace) != b"old"
        await asyncio.sleep(0.01)
    for each in (one, other):
        await eventually(lambda each=each: is_up(each))  # type: ignore[misc] # mypy does not infer a default's type
        assert await each.value("key", namespace) != b"old"
    async with replica(redis.url) as late:
        assert await late.value("key", namespace) != b"old"


async def test_versions_rise_and_replicas_agree_when_redis_went_back(
    redis: RedisServer, one: Replica, other: Replica
) -> None:
    versions = [await one.set("key", b"1", STRICT)]
    remember(redis)
    versions += [await one.set("key", b"2", STRICT) for _ in range(20)]
    epoch = (await one.stats()).epoch
    come_back(redis)

    async def have_begun_anew() -> bool:
        epochs = {(await each.stats()).epoch for each in (one, other)}
        return len(epochs) == 1 and epochs != {epoch}

    await eventually(have_begun_anew)
    versions.append(await other.set("key", b"3", STRICT))
    assert versions == sorted(set(versions))

    async def agree() -> bool:
        return {await each.value("key", STRICT) for each in (one, other)} == {b"3"}

    await eventually(agree)
