"""Who misses an entry may win the right to load it, and nobody else until that ends, whatever Redis does."""

import asyncio
from typing import Any

import pytest
from furlong.cache.v1 import cache_service_pb2 as pb

from services.cache.domain.namespace import NAMESPACES
from tests.caches import EVENTUAL, Found, Replica
from tests.clocks import ManualClock

POLICY = NAMESPACES[EVENTUAL]


async def test_the_first_to_miss_may_load_and_the_others_are_told_when_to_come_back(cache: Replica) -> None:
    first, second = await cache.want("key"), await cache.want("key")
    assert (first.outcome, second.outcome) == (Found.MISS, Found.MISS)
    assert first.lease.token > 0
    assert 0 < first.lease.ends_in_ms <= POLICY.lease_ms
    assert not second.HasField("lease")
    assert 0 < second.retry_after_ms <= POLICY.lease_ms


async def test_a_fill_is_found_with_its_token_for_its_version(cache: Replica) -> None:
    token = await cache.won("key")
    filled = await cache.write("key", b"loaded", lease_token=token)
    assert (filled.stored, filled.version) == (True, token)
    assert 0 < filled.fresh_for_ms <= POLICY.ttl_ms
    found = await cache.want("key")
    assert (found.outcome, found.value, found.version) == (Found.HIT, b"loaded", token)
    assert found.fresh_for_ms == filled.fresh_for_ms
    assert (await cache.get("key")).fresh_for_ms == 0, "it is told to those only who ask for a lease"


async def test_who_waits_is_given_what_another_loads(cache: Replica) -> None:
    token = await cache.won("key")
    waiting = [asyncio.ensure_future(cache.want("key", wait_ms=400)) for _ in range(20)]
    await asyncio.sleep(0.05)
    await cache.write("key", b"loaded", lease_token=token)
    found = await asyncio.gather(*waiting)
    assert [each.value for each in found] == [b"loaded"] * 20


async def test_who_waits_in_vain_is_told_when_to_come_back(cache: Replica) -> None:
    await cache.won("key")
    found = await cache.want("key", wait_ms=50)
    assert (found.outcome, found.HasField("lease")) == (Found.MISS, False)
    assert found.retry_after_ms > 0


async def test_a_thousand_who_miss_at_once_are_one_who_loads(cache: Replica) -> None:
    found = await asyncio.gather(*(cache.want("key") for _ in range(1_000)))
    assert sum(each.HasField("lease") for each in found) == 1


async def test_a_lease_that_is_given_back_is_for_the_next(cache: Replica) -> None:
    token = await cache.won("key")
    waiting = asyncio.ensure_future(cache.want("key", wait_ms=400))
    await asyncio.sleep(0.05)
    await cache.release("key", token)
    assert (await waiting).lease.token > token
    assert not (await cache.write("key", b"late", lease_token=token)).stored


async def test_giving_back_what_nobody_has_is_no_error(cache: Replica) -> None:
    token = await cache.won("key")
    await cache.release("other", token)
    await cache.release("key", token + 1_000)
    assert (await cache.write("key", b"loaded", lease_token=token)).stored


async def test_a_lease_fills_once_and_its_own_key_only(cache: Replica) -> None:
    token = await cache.won("key")
    assert not (await cache.write("other", b"loaded", lease_token=token)).stored
    assert (await cache.write("key", b"loaded", lease_token=token)).stored
    again = await cache.write("key", b"again", lease_token=token)
    assert not again.stored
    assert await cache.value("key") == b"loaded"


@pytest.mark.parametrize("mode", [pb.DELETE, pb.EXPIRE], ids=["delete", "expire"])
@pytest.mark.parametrize("target", [{"keys": ["key"]}, {"pattern": "k*"}, {"tag": "tag"}, {"everything": True}])
async def test_a_fill_after_an_invalidation_is_refused(
    cache: Replica, target: dict[str, Any], mode: pb.Mode.ValueType
) -> None:
    token = await cache.won("key")
    await cache.invalidate(**target, mode=mode)
    filled = await cache.write("key", b"loaded before", lease_token=token, tags=["tag"])
    assert not filled.stored
    assert (await cache.get("key")).outcome == Found.MISS
    (counted,) = (each for each in (await cache.stats()).namespaces if each.namespace == EVENTUAL)
    assert (counted.leases, counted.fills_refused, counted.sets) == (1, 1, 0)
    token = await cache.won("key")
    assert (await cache.write("key", b"loaded after", lease_token=token, tags=["tag"])).stored
    assert await cache.value("key") == b"loaded after"


async def test_a_fill_after_a_flush_or_a_write_is_refused(cache: Replica) -> None:
    token = await cache.won("key")
    await cache.flush()
    assert not (await cache.write("key", b"loaded", lease_token=token)).stored
    token = await cache.won("key")
    await cache.set("key", b"written")
    assert not (await cache.write("key", b"loaded", lease_token=token)).stored
    assert await cache.value("key") == b"written"


async def test_who_takes_stale_entries_need_not_wait_and_who_loads_has_it_meanwhile(
    cache: Replica, clock: ManualClock
) -> None:
    await cache.set("key", b"old", ttl_ms=5_000)
    clock.advance_ms(6_000)
    winner = await cache.want("key", max_stale_ms=10_000)
    assert (winner.outcome, winner.value, winner.HasField("lease")) == (Found.STALE, b"old", True)
    other = await cache.want("key", max_stale_ms=10_000, wait_ms=400)
    assert (other.outcome, other.value, other.HasField("lease")) == (Found.STALE, b"old", False)
    strict = await cache.want("key")
    assert (strict.outcome, strict.value) == (Found.MISS, b"")


async def test_nothing_is_kept_as_an_answer_but_not_for_long(cache: Replica, clock: ManualClock) -> None:
    token = await cache.won("key")
    filled = await cache.write("key", b"", lease_token=token, absent=True)
    assert (filled.stored, filled.fresh_for_ms) == (True, POLICY.negative_ttl_ms)
    for found in (await cache.get("key"), await cache.want("key")):
        assert (found.outcome, found.value, found.HasField("lease")) == (Found.ABSENT, b"", False)
    clock.advance_ms(POLICY.negative_ttl_ms)
    assert (await cache.get("key", max_stale_ms=2**62)).outcome == Found.MISS
    assert (await cache.want("key", max_stale_ms=2**62)).HasField("lease")


@pytest.mark.parametrize("target", [{"keys": ["key"]}, {"pattern": "k*"}, {"tag": "tag"}, {"everything": True}])
async def test_what_is_expired_is_stale_as_long_as_it_is_old_and_what_says_nothing_is_gone(
    cache: Replica, clock: ManualClock, target: dict[str, Any]
) -> None:
    await cache.set("key", b"old", tags=["tag"])
    await cache.set("other", b"other", tags=["other"])
    await cache.write("kin", b"", absent=True, tags=["tag"])
    clock.advance_ms(1_000)
    if "keys" in target:
        target = {"keys": ["key", "kin"]}
    await cache.invalidate(**target, mode=pb.EXPIRE)
    assert (await cache.get("kin", max_stale_ms=2**62)).outcome == Found.MISS
    rows = [(0, Found.MISS), (1_000, Found.MISS), (1_001, Found.STALE), (2**62, Found.STALE)]
    assert [(most, (await cache.get("key", max_stale_ms=most)).outcome) for most, _ in rows] == rows
    if "everything" not in target:
        assert await cache.value("other") == b"other"
    await cache.set("key", b"new", tags=["tag"])
    assert await cache.value("key") == b"new"


@pytest.mark.parametrize("target", [{"keys": ["key"]}, {"pattern": "k*"}, {"tag": "tag"}, {"everything": True}])
async def test_what_was_expired_and_is_deleted_is_gone_for_everybody(cache: Replica, target: dict[str, Any]) -> None:
    for modes in ((pb.EXPIRE, pb.DELETE), (pb.DELETE, pb.EXPIRE)):
        await cache.set("key", b"old", tags=["tag"])
        for mode in modes:
            await cache.invalidate(**target, mode=mode)
        assert (await cache.get("key", max_stale_ms=2**62)).outcome == Found.MISS
