"""A Redis of each test's own, to be killed, frozen and flushed."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.redis import RedisServer
from tests.caches import Replica, eventually, replica
from tests.redis import redis_server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
async def one(redis: RedisServer) -> AsyncIterator[Replica]:
    """A replica with its link up."""
    async with replica(redis.url) as under_test:
        await _up(under_test)
        yield under_test


@pytest.fixture
async def other(redis: RedisServer) -> AsyncIterator[Replica]:
    """Another replica on the same Redis."""
    async with replica(redis.url) as under_test:
        await _up(under_test)
        yield under_test


async def _up(under_test: Replica) -> None:
    async def is_up() -> bool:
        return await under_test.redis() == "up"

    await eventually(is_up)
