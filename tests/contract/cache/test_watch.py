"""WatchChanges: what near caches hear, with Redis and without."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2 as pb

from deploy.local.redis import RedisServer
from tests.caches import STRICT, Replica, be_patient, eventually, replica
from tests.clocks import ManualClock
from tests.redis import freeze, resume
from tests.served import refused

Word = pb.WatchChangesResponse


class Watch:
    """A watch that a test reads word by word."""

    def __init__(self, call: "grpc.aio.UnaryStreamCall[pb.WatchChangesRequest, Word]") -> None:
        self._call = call

    async def word(self, *, within_s: float = 5.0) -> "Word":
        async with asyncio.timeout(within_s):
            word = await self._call.read()
        assert isinstance(word, Word), "the stream ended"
        return word

    async def news(self) -> "Word":
        """The next word that is no heartbeat."""
        while (word := await self.word()).kind == Word.HEARTBEAT:
            pass
        return word

    async def next_of(self, kind: "pb.WatchChangesResponse.Kind.ValueType") -> "Word":
        while (word := await self.word()).kind != kind:
            pass
        return word


@contextmanager
def watching(of: Replica, *namespaces: str) -> Iterator[Watch]:
    call = of.entries.WatchChanges(pb.WatchChangesRequest(namespaces=namespaces or (STRICT,)))
    try:
        yield Watch(call)
    finally:
        call.cancel()


@pytest.fixture(params=["without redis", "with redis"])
async def working(
    request: pytest.FixtureRequest, redis_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replica]:
    be_patient(monkeypatch)
    async with replica(redis_url if request.param == "with redis" else "", clock=clock) as under_test:
        yield under_test


async def test_a_watch_begins_with_where_it_stands_and_is_never_silent(working: Replica) -> None:
    with watching(working) as watch:
        assert [(await watch.word(within_s=1.0)).kind for _ in range(3)] == [Word.HEARTBEAT] * 3


async def test_a_write_is_told_with_its_version(working: Replica) -> None:
    with watching(working) as watch:
        await watch.word()
        version = await working.set("key", b"value", STRICT)
        word = await watch.news()
        assert (word.kind, word.namespace, word.version) == (Word.CHANGE, STRICT, version)
        assert list(word.keys.keys) == ["key"]


async def test_a_change_is_told_once(working: Replica) -> None:
    with watching(working) as watch:
        await watch.word()
        versions = [await working.set("key", b"%d" % n, STRICT) for n in range(3)]
        assert [(await watch.news()).version for _ in versions] == versions
        assert (await watch.word()).kind == Word.HEARTBEAT


@pytest.mark.parametrize("target", [{"keys": ["a", "b"]}, {"tag": "tag"}, {"pattern": "k?y"}, {"everything": True}])
async def test_an_invalidation_is_told_as_it_was_asked_for(working: Replica, target: dict[str, Any]) -> None:
    with watching(working) as watch:
        first = await watch.word()
        await working.invalidate(STRICT, **target)
        word = await watch.news()
        assert word.namespace == STRICT
        assert word.version > first.version
        assert word.epoch == first.epoch
        [(name, value)] = target.items()
        told = getattr(word, name)
        assert word.WhichOneof("target") == name
        assert (list(told.keys) if name == "keys" else told) == value


async def test_a_flush_is_a_gap(working: Replica) -> None:
    with watching(working) as watch:
        await watch.word()
        await working.flush()
        assert (await watch.news()).kind == Word.GAP
        await watch.next_of(Word.HEARTBEAT)


async def test_what_one_replica_writes_the_watchers_of_another_hear(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_patient(monkeypatch)
    async with replica(redis_url) as one, replica(redis_url) as other:
        with watching(other) as watch:
            await watch.next_of(Word.HEARTBEAT)
            version = await one.set("key", b"value", STRICT)
            assert (await watch.news()).version == version


async def has_lost_redis(under_test: Replica) -> bool:
    return await under_test.redis() != "up"


async def test_a_replica_that_loses_redis_vouches_for_nothing_until_it_is_back(
    redis_url: str, running_redis: RedisServer
) -> None:
    async with replica(redis_url) as under_test:
        with watching(under_test) as watch:
            await watch.next_of(Word.HEARTBEAT)
            freeze(running_redis)
            try:
                await eventually(partial(has_lost_redis, under_test))
                await watch.next_of(Word.GAP)
                while (await watch.word(within_s=1.0)).kind != Word.GAP:  # what was on its way before it noticed
                    pass
                assert [(await watch.word(within_s=1.0)).kind for _ in range(3)] == [Word.GAP] * 3
            finally:
                resume(running_redis)
            await watch.next_of(Word.HEARTBEAT)


async def test_a_watch_ends_when_the_replica_goes_away(working: Replica) -> None:
    with watching(working) as watch:
        await watch.word()
        draining = asyncio.ensure_future(working.server.drain())
        with pytest.raises(grpc.aio.AioRpcError) as ending:
            await watch.next_of(Word.CHANGE)
        await draining
        assert ending.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("namespaces", "field"),
    [((), "namespaces"), (("nonsense",), "namespaces[0]"), ((STRICT, ""), "namespaces[1]")],
)
async def test_a_watch_of_what_is_no_namespace_is_refused(
    working: Replica, namespaces: tuple[str, ...], field: str
) -> None:
    refusal = await refused(working.entries.WatchChanges(pb.WatchChangesRequest(namespaces=namespaces)).read())
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields == [field]
