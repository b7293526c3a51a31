"""What leases, conditional writes and numbers ask of a shared store: of Redis, and of the one that stands for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis as client_of_redis

from services.cache.adapters.redis import client
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Draft, Entry, Key, decode
from services.cache.ports import Asked, Kept, Stamp, Sum, SumRefused
from tests.fakes.shared_store import SharedStore

KEY = Key("tracks", "a")
LEASE_MS = 60_000
ONE, TWO = "id 1", "id 2"


@pytest.fixture(params=["redis", "memory"])
async def store(
    request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisStore | SharedStore]:
    if request.param == "memory":
        yield SharedStore()
        return
    monkeypatch.setattr(client, "CALL_S", 5.0)
    redis = RedisClient(redis_url)
    yield RedisStore(redis)
    await redis.close()


def draft(value: bytes = b"value") -> Draft:
    return Draft("a", value, ("tag",), 1_000, 61_000, 121_000)


async def read(store: RedisStore | SharedStore) -> Entry | None:
    (raw,) = await store.read([KEY])
    return None if raw is None else decode(raw)


async def ask(store: RedisStore | SharedStore, seen: int = 0, void: int = 0) -> Asked:
    return await store.lease(KEY, seen, void, LEASE_MS, 0)


def token_of(asked: Asked) -> Stamp:
    assert asked.token, "it was granted"
    return Stamp(asked.incarnation, asked.token)


async def test_one_lease_of_a_key_is_out_until_it_ends(store: RedisStore | SharedStore) -> None:
    first = await ask(store)
    assert first.token == first.holder > 0
    second = await ask(store)
    assert (second.incarnation, second.token, second.holder) == (first.incarnation, 0, first.token)
    assert LEASE_MS - 5_000 < second.ends_in_ms <= LEASE_MS
    assert (await ask(store, void=first.token)).token > first.token, "it was known to be void"
    await store.release(KEY, token_of(first))
    assert (await ask(store)).token == 0, "it was not the one that stands"


async def test_a_fill_has_the_version_of_its_lease_and_ends_it(store: RedisStore | SharedStore) -> None:
    token = token_of(await ask(store))
    later = await store.forget(Change("tracks", Scope.TAG, ("other",)), 0)
    assert await store.fill("tracks", draft(), token) == Kept(*token, True)
    assert await read(store) == draft().entry(*token)
    assert token.version < later.version
    assert await store.fill("tracks", draft(b"again"), token) == Kept(*token, False)
    assert (await ask(store)) == Asked(token.incarnation, 0, 0, 0), "the entry is not what was seen"
    assert (await ask(store, seen=token.version)).token > later.version


@pytest.mark.parametrize("how", ["deleted", "expired", "written", "replaced", "released", "renewed"])
async def test_whatever_becomes_of_the_key_ends_its_lease(store: RedisStore | SharedStore, how: str) -> None:
    token = token_of(await ask(store))
    match how:
        case "deleted":
            await store.forget(Change("tracks", Scope.KEYS, ("a",)), 0)
        case "expired":
            await store.forget(Change("tracks", Scope.KEYS, ("a",), Mode.EXPIRE), 0)
        case "written":
            await store.write("tracks", [draft(b"written")], 0)
        case "replaced":
            assert (await store.replace("tracks", draft(b"written"), 0, 0)).stored
        case "released":
            await store.release(KEY, token)
        case _:
            await store.renew(0)
    before = await read(store)
    assert not (await store.fill("tracks", draft(b"late"), token)).stored
    assert await read(store) == before


async def test_an_entry_is_replaced_only_where_it_is_what_was_seen(store: RedisStore | SharedStore) -> None:
    first = await store.replace("tracks", draft(b"1"), 0, 0)
    assert first.stored
    assert await store.replace("tracks", draft(b"2"), 0, 0) == first._replace(stored=False)
    second = await store.replace("tracks", draft(b"2"), first.version, 0)
    assert second.stored
    assert second.version > first.version
    assert await read(store) == draft(b"2").entry(second.incarnation, second.version)
    renewed = await store.renew(0)
    third = await store.replace("tracks", draft(b"3"), 0, 0)
    assert (third.incarnation, third.stored) == (renewed.incarnation, True), "what was before is no entry"


async def test_a_number_counts_each_request_once(store: RedisStore | SharedStore) -> None:
    most = 2**63 - 1
    assert await store.increment(KEY, ONE, most - 1, 60_000, 0) == Sum(most - 1, replayed=False)
    assert await store.increment(KEY, ONE, most - 1, 60_000, 0) == Sum(most - 1, replayed=True)
    assert await store.increment(KEY, ONE, 1, 60_000, 0) is SumRefused.REUSED
    assert await store.increment(KEY, TWO, 2, 60_000, 0) is SumRefused.OVERFLOW
    assert await store.increment(KEY, TWO, 1, 60_000, 0) == Sum(most, replayed=False)
    await store.renew(0)
    assert await store.increment(KEY, ONE, -3, 60_000, 0) == Sum(-3, replayed=False)


async def test_in_redis_everything_ends_by_itself(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_S", 5.0)
    redis = RedisClient(redis_url)
    store = RedisStore(redis)
    await store.write("tracks", [draft()], 0)
    await store.forget(Change("tracks", Scope.KEYS, ("a",), Mode.EXPIRE), 0)
    await store.lease(Key("tracks", "b"), 0, 0, LEASE_MS, 0)
    await store.increment(KEY, ONE, 1, 60_000, 0)
    short = await store.lease(Key("tracks", "c"), 0, 0, 20, 0)
    with client_of_redis.Redis.from_url(redis_url) as operator:
        lasts_ms = {name: operator.pttl(name) for name in operator.scan_iter("*:cache:[eln]:*")}
    assert len(lasts_ms) >= 3
    assert all(0 < each <= 120_000 for each in lasts_ms.values()), lasts_ms
    await asyncio.sleep(0.05)
    again = await store.lease(Key("tracks", "c"), 0, 0, LEASE_MS, 0)
    assert again.token > short.token
    await redis.close()
