"""What namespaces declare, on replicas with a real Redis: packing, sliding, jitter, and the canary between them."""

import json
from collections.abc import AsyncIterator

import pytest
import redis
from furlong.cache.v1 import cache_service_pb2 as pb

from services.cache.domain.namespace import NAMESPACES
from tests.caches import Replica, be_patient, eventually, replica
from tests.clocks import ManualClock

RUNNERS = json.dumps([{"runner": n, "name": "Quick Silver", "price_hundredths": 340} for n in range(200)]).encode()
SESSIONS_TTL_MS = NAMESPACES["sessions"].ttl_ms


@pytest.fixture
async def pair(
    redis_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Replica, Replica]]:
    be_patient(monkeypatch)
    async with replica(redis_url, clock=clock) as one, replica(redis_url, clock=clock) as other:
        yield one, other


def stored_bytes(redis_url: str) -> int:
    """What all entries take in Redis, the canary's left out."""
    with redis.Redis.from_url(redis_url) as client:
        return sum(client.strlen(key) for key in client.scan_iter("*:e:*") if b":canary:" not in key)


async def test_a_long_value_is_small_in_redis_and_the_very_bytes_for_callers(
    pair: tuple[Replica, Replica], redis_url: str
) -> None:
    one, other = pair
    await one.set("a", RUNNERS)
    assert 0 < stored_bytes(redis_url) < len(RUNNERS) / 4
    found = await other.get("a")
    assert (found.value, found.tier) == (RUNNERS, pb.Found.L2)
    near = await other.get("a")
    assert (near.value, near.tier) == (RUNNERS, pb.Found.L1)


async def test_a_session_that_is_read_lives_on_at_both_replicas(
    pair: tuple[Replica, Replica], clock: ManualClock
) -> None:
    one, other = pair
    await one.set("a", b"who", "sessions")
    for _ in range(3):
        clock.advance_ms(SESSIONS_TTL_MS - 1_000)
        assert await one.value("a", "sessions") == b"who"
    assert await other.value("a", "sessions") == b"who"
    clock.advance_ms(SESSIONS_TTL_MS - 1_000)
    leased = await other.entries.Get(pb.GetRequest(namespace="sessions", key="a", want_lease=True))
    assert leased.found.outcome == pb.Found.HIT
    clock.advance_ms(SESSIONS_TTL_MS - 1_000)
    assert await one.value("a", "sessions") == b"who", "who would load it reads it too"
    clock.advance_ms(SESSIONS_TTL_MS)
    assert await one.value("a", "sessions") is None


async def test_entries_that_were_written_together_do_not_end_together(pair: tuple[Replica, Replica]) -> None:
    one, _ = pair
    fresh_ms = set()
    for n in range(20):
        item = pb.Item(key=f"{n}", value=b"v")
        fresh_ms.add((await one.entries.Set(pb.SetRequest(namespace="tracks", item=item))).fresh_for_ms)
    most = NAMESPACES["tracks"].ttl_ms
    assert len(fresh_ms) > 10
    assert all(0.9 * most <= each <= most for each in fresh_ms)


async def test_the_canary_of_each_replica_is_read_at_the_other_and_nothing_is_stale(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_patient(monkeypatch)
    async with replica(redis_url, canary_ms=20) as one, replica(redis_url, canary_ms=20) as other:
        for each in (one, other):

            async def measured(of: Replica = each) -> bool:
                return (await of.stats()).canary.reads > 40

            await eventually(measured, within_s=20)
            stats = await each.stats()
            assert stats.canary.stale_reads == 0
            assert 0 < stats.lag_p50_ms <= stats.lag_p99_ms
            assert "canary" not in {namespace.namespace for namespace in stats.namespaces}


async def test_the_figures_tell_the_room_and_who_takes_it(pair: tuple[Replica, Replica]) -> None:
    one, _ = pair
    for n in range(15):
        await one.set(f"{n}", bytes(100 * n), "tickets")
    stats = await one.stats()
    (tickets,) = (each for each in stats.namespaces if each.namespace == "tickets")
    assert [size.key for size in tickets.largest] == [f"{n}" for n in range(14, 4, -1)]
    assert tickets.bytes_max == stats.bytes_max // 4
    assert tickets.largest[0].bytes < tickets.bytes < tickets.bytes_max


async def test_time_saved_is_told_where_loaders_tell_how_long_they_took(pair: tuple[Replica, Replica]) -> None:
    one, other = pair
    item = pb.Item(key="slow", value=b"v", load_ms=250)
    await one.entries.Set(pb.SetRequest(namespace="reports", item=item))
    for _ in range(4):
        await other.get("slow", "reports")
    (reports,) = (each for each in (await other.stats()).namespaces if each.namespace == "reports")
    assert reports.saved_ms == 4 * 250
