"""What holds for entries whatever Redis does."""

import asyncio
from typing import Any

import pytest
from furlong.cache.v1 import cache_service_pb2 as pb

from services.cache.domain.namespace import NAMESPACES
from tests.caches import EVENTUAL, Found, Replica
from tests.clocks import ManualClock

POLICY = NAMESPACES[EVENTUAL]


async def test_what_was_never_set_is_a_miss(cache: Replica) -> None:
    assert await cache.get("unknown") == Found(outcome=Found.MISS)


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"v" * 128 * 1024], ids=["empty", "any bytes", "128 KiB"])
async def test_an_entry_is_found_with_the_very_bytes_that_were_set(cache: Replica, value: bytes) -> None:
    version = await cache.set("key", value)
    found = await cache.get("key")
    assert (found.outcome, found.value, found.version, found.tier) == (Found.HIT, value, version, Found.L1)


@pytest.mark.parametrize("key", ["k", "k" * 512, "ключ/ with [odd] * characters\n\x00"], ids=["1", "512", "odd"])
async def test_any_key_of_up_to_512_bytes_names_an_entry(cache: Replica, key: str) -> None:
    await cache.set(key, b"value")
    assert await cache.value(key) == b"value"


async def test_the_last_value_set_is_found_and_every_write_has_a_higher_version(cache: Replica) -> None:
    versions = [await cache.set("key", b"%d" % n) for n in range(5)]
    assert versions == sorted(set(versions))
    found = await cache.get("key")
    assert (found.value, found.version) == (b"4", versions[-1])


async def test_the_same_key_in_two_namespaces_is_two_entries(cache: Replica) -> None:
    await cache.set("key", b"a report", "reports")
    await cache.set("key", b"a round", "metrics")
    assert await cache.value("key", "reports") == b"a report"
    assert await cache.value("key", "metrics") == b"a round"


async def test_an_entry_has_an_age(cache: Replica, clock: ManualClock) -> None:
    await cache.set("key", b"value")
    clock.advance_ms(1_500)
    assert (await cache.get("key")).age_ms == 1_500


@pytest.mark.parametrize(
    ("after_ms", "max_stale_ms", "outcome"),
    [
        (4_999, 0, Found.HIT),
        (5_000, 0, Found.MISS),
        (5_000, 1, Found.STALE),
        (5_999, 1_000, Found.STALE),
        (6_000, 1_000, Found.MISS),
        (5_000 + POLICY.stale_ms - 1, 2**62, Found.STALE),
        (5_000 + POLICY.stale_ms, 2**62, Found.MISS),
    ],
)
async def test_an_entry_is_fresh_then_stale_for_those_who_allow_it_then_gone(
    cache: Replica, clock: ManualClock, after_ms: int, max_stale_ms: int, outcome: int
) -> None:
    await cache.set("key", b"value", ttl_ms=5_000)
    clock.advance_ms(after_ms)
    assert (await cache.get("key", max_stale_ms=max_stale_ms)).outcome == outcome


async def test_an_entry_without_a_time_to_live_takes_its_namespaces(cache: Replica, clock: ManualClock) -> None:
    await cache.set("key", b"value")
    surely_ms = POLICY.fresh_ms(0, 1.0)
    clock.advance_ms(surely_ms - 1)
    assert await cache.value("key") == b"value"
    clock.advance_ms(POLICY.ttl_ms - surely_ms + 1)
    assert await cache.value("key") is None


async def test_a_deleted_entry_is_a_miss_until_it_is_set_again(cache: Replica) -> None:
    await cache.set("key", b"old")
    await cache.delete("key")
    assert await cache.value("key") is None
    await cache.set("key", b"new")
    assert await cache.value("key") == b"new"


async def test_deleting_what_is_not_there_is_no_error(cache: Replica) -> None:
    await cache.delete("key")
    assert await cache.value("key") is None


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ({"keys": ["round/1", "round/3"]}, {"round/2", "list/1"}),
        ({"pattern": "round/*"}, {"list/1"}),
        ({"pattern": "*/1"}, {"round/2", "round/3"}),
        ({"pattern": "round/[!2]"}, {"round/2", "list/1"}),
        ({"pattern": "round"}, {"round/1", "round/2", "round/3", "list/1"}),
        ({"tag": "harbour-mile"}, {"round/3"}),
        ({"tag": "nobody"}, {"round/1", "round/2", "round/3", "list/1"}),
        ({"everything": True}, set()),
    ],
)
async def test_an_invalidation_takes_what_it_covers_and_nothing_else(
    cache: Replica, target: dict[str, Any], left: set[str]
) -> None:
    tags = {"round/1": ["harbour-mile"], "round/2": ["x", "harbour-mile"], "round/3": [], "list/1": ["harbour-mile"]}
    for key, tagged in tags.items():
        await cache.set(key, b"value", tags=tagged)
    await cache.set("round/1", b"value", "metrics", tags=["harbour-mile"])
    await cache.invalidate(**target)
    assert {key for key in tags if await cache.value(key) is not None} == left
    assert await cache.value("round/1", "metrics") == b"value"


@pytest.mark.parametrize("target", [{"pattern": "*"}, {"tag": "tag"}, {"everything": True}, {"keys": ["key"]}])
async def test_what_is_set_after_an_invalidation_is_found(cache: Replica, target: dict[str, Any]) -> None:
    await cache.set("key", b"old", tags=["tag"])
    await cache.invalidate(**target)
    await cache.set("key", b"new", tags=["tag"])
    assert await cache.value("key") == b"new"


async def test_a_flush_forgets_everything_and_what_is_set_after_it_is_found(cache: Replica) -> None:
    await cache.set("key", b"old", "reports")
    await cache.set("key", b"old", "metrics")
    await cache.flush()
    assert await cache.value("key", "reports") is None
    assert await cache.value("key", "metrics") is None
    await cache.set("key", b"new")
    assert await cache.value("key") == b"new"


async def test_a_batch_is_answered_in_the_order_of_its_keys(cache: Replica) -> None:
    items = [pb.Item(key=f"key {n}", value=b"%d" % n) for n in range(1_000)]
    written = await cache.entries.BatchSet(pb.BatchSetRequest(namespace=EVENTUAL, items=items))
    keys = ["key 7", "unknown", "key 3", "key 7"]
    answer = await cache.entries.BatchGet(pb.BatchGetRequest(namespace=EVENTUAL, keys=keys))
    assert [each.value for each in answer.found] == [b"7", b"", b"3", b"7"]
    assert [each.version for each in answer.found] == [written.version, 0, written.version, written.version]
    keys = [f"key {n}" for n in range(1_000)]
    answer = await cache.entries.BatchGet(pb.BatchGetRequest(namespace=EVENTUAL, keys=keys))
    assert [each.value for each in answer.found] == [item.value for item in items]


async def test_a_batch_that_outgrows_its_answer_says_what_it_left_out(cache: Replica) -> None:
    keys = [f"key {n}" for n in range(30)]
    for key in keys:
        await cache.set(key, b"v" * 128 * 1024)
    answer = await cache.entries.BatchGet(pb.BatchGetRequest(namespace=EVENTUAL, keys=keys))
    assert [each.outcome for each in answer.found] == [Found.HIT] * 24 + [Found.OMITTED] * 6
    assert await cache.value(keys[-1]) == b"v" * 128 * 1024


async def test_many_callers_at_once_each_get_their_own_entry(cache: Replica) -> None:
    await asyncio.gather(*(cache.set(f"key {n}", b"%d" % n) for n in range(200)))
    values = await asyncio.gather(*(cache.value(f"key {n}") for n in range(200)))
    assert values == [b"%d" % n for n in range(200)]


async def test_the_statistics_count_what_was_asked(cache: Replica) -> None:
    await cache.set("key", b"value")
    await cache.get("key")
    await cache.get("unknown")
    await cache.delete("unknown")
    stats = await cache.stats()
    assert [each.namespace for each in stats.namespaces] == sorted(NAMESPACES)
    (counted,) = (each for each in stats.namespaces if each.namespace == EVENTUAL)
    assert (counted.hits_l1, counted.hits_l2, counted.misses, counted.sets) == (1, 0, 1, 1)
    assert (counted.invalidations, counted.entries) == (1, 1)
    assert 0 < counted.bytes < stats.bytes_max
