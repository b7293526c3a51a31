"""A Redis Cluster: found from any of its nodes, followed when the slot of our keys moves or its owner dies."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.caches import STRICT, Event, Found, Replica, be_patient, eventually, replica
from tests.redis_cluster import Cluster, redis_cluster

BACK_S = 20.0
"""How long the nodes of a Cluster may take to agree, on a busy machine."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with redis_cluster() as running:
        yield running


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


async def works(one: Replica, other: Replica) -> None:
    """Two replicas share entries, hear of each other's changes, and carry topics.

    A replica hears that the slot moved when it next asks, and is without Redis until it found the new owner.
    """
    await are_up(one, other)
    version = await one.set("key", b"value", STRICT, tags=["tag"])
    found = await other.get("key", STRICT)
    assert (found.value, found.version, found.tier) == (b"value", version, Found.L2)
    await one.invalidate(STRICT, tag="tag")

    async def is_gone() -> bool:
        return await other.value("key", STRICT) is None

    await eventually(is_gone)
    with other.subscribed("track/harbour-mile") as subscription:
        assert (await subscription.event()).kind == Event.HEARTBEAT
        await one.publish("track/harbour-mile", b"frame")
        assert (await subscription.news()).payload == b"frame"


async def are_up(*replicas: Replica) -> None:
    async def all_up() -> bool:
        return {await each.redis() for each in replicas} == {"up"}

    await eventually(all_up, within_s=BACK_S)


async def test_any_node_leads_to_the_one_that_has_our_keys(cluster: Cluster) -> None:
    async with replica(cluster.stranger.url) as one, replica(cluster.owner.url) as other:
        await are_up(one, other)
        await works(one, other)


async def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    async with replica(cluster.url) as one, replica(cluster.owner.url) as other:
        await are_up(one, other)
        versions = [await one.set("moved", b"1", STRICT)]
        cluster.hand_over()
        versions.append(await one.set("moved", b"2", STRICT))
        await are_up(one, other)
        versions.append(await other.set("moved", b"3", STRICT))
        for before, after in pairwise(versions):
            assert before < after
        await works(one, other)


async def test_a_node_that_takes_over_is_found_though_its_address_was_not_configured(cluster: Cluster) -> None:
    async with replica(cluster.stranger.url) as one, replica(cluster.url) as other:
        await are_up(one, other)
        await one.set("key", b"old", STRICT)
        cluster.owner.kill()
        assert await one.value("unknown", STRICT) is None
        await one.set("key", b"new", STRICT)
        await are_up(one, other)
        assert await other.value("key", STRICT) in (None, b"new")
        await works(one, other)
