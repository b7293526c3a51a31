"""Writes under a condition, and numbers: only where somebody can tell, and never half known as done."""

import asyncio
import uuid
from typing import Any

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2 as pb

from services.cache.domain.namespace import NAMESPACES
from tests.caches import EVENTUAL, REQUEST_ID, Found, Replica
from tests.clocks import ManualClock
from tests.served import refused

POLICY = NAMESPACES[EVENTUAL]


decides = pytest.mark.parametrize("cache", ["without redis", "with redis"], indirect=True)
"""With a replica that is alone, or has a Redis that answers; what is told while it fails stands at the end."""


@decides
async def test_an_entry_is_replaced_while_it_has_the_version_that_was_read(cache: Replica) -> None:
    version = await cache.set("key", b"1")
    second = await cache.write("key", b"2", if_version=version)
    assert second.stored
    assert 0 < second.fresh_for_ms <= POLICY.ttl_ms
    assert second.version > version
    late = await cache.write("key", b"3", if_version=version)
    assert (late.stored, late.version, late.fresh_for_ms) == (False, second.version, 0)
    assert await cache.value("key") == b"2"


@decides
async def test_of_many_who_replace_the_same_version_one_does(cache: Replica) -> None:
    version = await cache.set("key", b"0")
    written = await asyncio.gather(*(cache.write("key", b"%d" % n, if_version=version) for n in range(50)))
    (winner,) = (n for n, each in enumerate(written) if each.stored)
    assert await cache.value("key") == b"%d" % winner
    assert {each.version for each in written if not each.stored} <= {0, version, written[winner].version}


@decides
async def test_of_many_who_write_where_there_is_nothing_one_does(cache: Replica) -> None:
    written = await asyncio.gather(*(cache.write("key", b"%d" % n, if_missing=True) for n in range(50)))
    (winner,) = (n for n, each in enumerate(written) if each.stored)
    assert await cache.value("key") == b"%d" % winner


@pytest.mark.parametrize("how", ["deleted", "by its tag", "expired", "in time", "nothing", "flushed"])
@decides
async def test_where_an_entry_is_gone_stale_or_says_nothing_another_can_be_written(
    cache: Replica, clock: ManualClock, how: str
) -> None:
    if how == "nothing":
        await cache.write("key", b"", absent=True)
    else:
        await cache.set("key", b"old", tags=["tag"])
        assert not (await cache.write("key", b"new", if_missing=True)).stored
    match how:
        case "deleted":
            await cache.delete("key")
        case "by its tag":
            await cache.invalidate(tag="tag")
        case "expired":
            await cache.invalidate(tag="tag", mode=pb.EXPIRE)
        case "in time":
            clock.advance_ms(POLICY.ttl_ms)
        case "flushed":
            await cache.flush()
    assert (await cache.write("key", b"new", if_missing=True)).stored
    assert await cache.value("key") == b"new"


@pytest.mark.parametrize("target", [{"keys": ["key"]}, {"tag": "tag"}, {"pattern": "*"}, {"everything": True}])
@decides
async def test_an_entry_that_was_deleted_has_no_version_any_more(cache: Replica, target: dict[str, Any]) -> None:
    version = await cache.set("key", b"old", tags=["tag"])
    await cache.invalidate(**target)
    written = await cache.write("key", b"new", if_version=version)
    assert (written.stored, written.version) == (False, 0)


@decides
async def test_a_conditional_write_ends_the_lease_of_its_key(cache: Replica) -> None:
    token = await cache.won("key")
    assert (await cache.write("key", b"written", if_missing=True)).stored
    assert not (await cache.write("key", b"loaded", lease_token=token)).stored


@decides
async def test_a_number_is_added_to_once_for_each_request(cache: Replica) -> None:
    first = await cache.add("n", 5, REQUEST_ID)
    again = await cache.add("n", 5, REQUEST_ID)
    other = await cache.add("n", -7, str(uuid.uuid4()))
    assert [(each.value, each.replayed) for each in (first, again, other)] == [(5, False), (5, True), (-2, False)]
    assert (await cache.add("n", 5, REQUEST_ID)).value == 5, "the answer is the one that it was"
    assert (await cache.get("n")).outcome == Found.MISS, "numbers and entries have nothing to do with each other"


@decides
async def test_many_increments_at_once_all_count(cache: Replica) -> None:
    ids = [str(uuid.uuid4()) for _ in range(50)]
    answers = await asyncio.gather(*(cache.add("n", 2, each) for each in ids * 2))
    assert sorted({each.value for each in answers}) == list(range(2, 102, 2))
    assert sum(each.replayed for each in answers) == 50


@decides
async def test_the_same_request_cannot_add_something_else(cache: Replica) -> None:
    await cache.add("n", 5, REQUEST_ID)
    answer = await refused(cache.add("n", 6, REQUEST_ID))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_REUSED")
    assert (await cache.add("n", 5, str(uuid.uuid4()))).value == 10


@decides
async def test_a_flush_begins_numbers_again(cache: Replica) -> None:
    await cache.add("n", 5, REQUEST_ID)
    await cache.flush()
    again = await cache.add("n", 5, REQUEST_ID)
    assert (again.value, again.replayed) == (5, False)


@pytest.mark.parametrize("cache", ["redis fails"], indirect=True)
async def test_while_redis_fails_nobody_can_tell_and_what_is_not_known_is_not_called_done(cache: Replica) -> None:
    for reason in ("OUTCOME_UNKNOWN", "DEPENDENCY_DOWN"):
        answer = await refused(cache.add("n", 5, REQUEST_ID))
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, reason)
    for condition in ({"if_missing": True}, {"if_version": 1}):
        answer = await refused(cache.write("key", b"value", **condition))
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")
    assert await cache.value("key") is None
