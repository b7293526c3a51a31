"""One contract, three caches: without Redis, with a real one, and with one that fails on purpose."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from deploy.local.redis import RedisServer
from tests.caches import Replica, be_patient, is_up, replica
from tests.clocks import ManualClock
from tests.redis import freeze, redis_server, resume


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(running_redis: RedisServer) -> str:
    """A Redis that runs and has nothing in it."""
    with redis.Redis.from_url(running_redis.url) as client:
        client.flushall()
    return running_redis.url


@pytest.fixture
def clock() -> ManualClock:
    """The time by which entries age."""
    return ManualClock()


@pytest.fixture(params=["without redis", "with redis", "redis fails"])
async def cache(
    request: pytest.FixtureRequest,
    running_redis: RedisServer,
    redis_url: str,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Replica]:
    """A replica that must keep the contract whatever Redis does."""
    if request.param == "with redis":
        be_patient(monkeypatch)
    url = "" if request.param == "without redis" else redis_url
    async with replica(url, clock=clock) as under_test:
        if request.param == "redis fails":
            await is_up(under_test)
            freeze(running_redis)  # the link is up and the first call will find out
        try:
            yield under_test
        finally:
            resume(running_redis)
