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


@pytest.fixture
def deciding(request: pytest.FixtureRequest, cache: Replica) -> Replica:
    """A replica that is alone, or has a Redis that answers."""
    if "redis fails" in request.node.callspec.id:
        pytest.skip("nobody can tell: see below")
    return cache


async def test_an_entry_is_replaced_while_it_has_the_version_that_was_read(deciding: Replica) -> None:
    version = await deciding.set("key", b"1")
    second = await deciding.write("key", b"2", if_version=version)
    assert second.stored
    assert 0 < second.fresh_for_ms <= POLICY.ttl_ms
    assert second.version > version
    late = await deciding.write("key", b"3", if_version=version)
    assert (late.stored, late.version, late.fresh_for_ms) == (False, second.version, 0)
    assert await deciding.value("key") == b"2"


async def test_of_many_who_replace_the_same_version_one_does(deciding: Replica) -> None:
    version = await deciding.set("key", b"0")
    written = await asyncio.gather(*(deciding.write("key", b"%d" % n, if_version=version) for n in range(50)))
    (winner,) = (n for n, each in enumerate(written) if each.stored)
    assert await deciding.value("key") == b"%d" % winner
    assert {each.version for each in written if not each.stored} <= {0, version, written[winner].version}


async def test_of_many_who_write_where_there_is_nothing_one_does(deciding: Replica) -> None:
    written = await asyncio.gather(*(deciding.write("key", b"%d" % n, if_missing=True) for n in range(50)))
    (winner,) = (n for n, each in enumerate(written) if each.stored)
    assert await deciding.value("key") == b"%d" % winner


@pytest.mark.parametrize("how", ["deleted", "by its tag", "expired", "in time", "nothing", "flushed"])
async def test_where_an_entry_is_gone_stale_or_says_nothing_another_can_be_written(
    deciding: Replica, clock: ManualClock, how: str
) -> None:
    if how == "nothing":
        await deciding.write("key", b"", absent=True)
    else:
        await deciding.set("key", b"old", tags=["tag"])
        assert not (await deciding.write("key", b"new", if_missing=True)).stored
    match how:
        case "deleted":
            await deciding.delete("key")
        case "by its tag":
            await deciding.invalidate(tag="tag")
        case "expired":
            await deciding.invalidate(tag="tag", mode=pb.EXPIRE)
        case "in time":
            clock.advance_ms(POLICY.ttl_ms)
        case "flushed":
            await deciding.flush()
    assert (await deciding.write("key", b"new", if_missing=True)).stored
    assert await deciding.value("key") == b"new"


@pytest.mark.parametrize("target", [{"keys": ["key"]}, {"tag": "tag"}, {"pattern": "*"}, {"everything": True}])
async def test_an_entry_that_was_deleted_has_no_version_any_more(deciding: Replica, target: dict[str, Any]) -> None:
    version = await deciding.set("key", b"old", tags=["tag"])
    await deciding.invalidate(**target)
    written = await deciding.write("key", b"new", if_version=version)
    assert (written.stored, written.version) == (False, 0)


async def test_a_conditional_write_ends_the_lease_of_its_key(deciding: Replica) -> None:
    token = await deciding.won("key")
    assert (await deciding.write("key", b"written", if_missing=True)).stored
    assert not (await deciding.write("key", b"loaded", lease_token=token)).stored


async def test_a_number_is_added_to_once_for_each_request(deciding: Replica) -> None:
    first = await deciding.add("n", 5, REQUEST_ID)
    again = await deciding.add("n", 5, REQUEST_ID)
    other = await deciding.add("n", -7, str(uuid.uuid4()))
    assert [(each.value, each.replayed) for each in (first, again, other)] == [(5, False), (5, True), (-2, False)]
    assert (await deciding.add("n", 5, REQUEST_ID)).value == 5, "the answer is the one that it was"
    assert (await deciding.get("n")).outcome == Found.MISS, "numbers and entries have nothing to do with each other"


async def test_many_increments_at_once_all_count(deciding: Replica) -> None:
    ids = [str(uuid.uuid4()) for _ in range(50)]
    answers = await asyncio.gather(*(deciding.add("n", 2, each) for each in ids * 2))
    assert sorted({each.value for each in answers}) == list(range(2, 102, 2))
    assert sum(each.replayed for each in answers) == 50


async def test_the_same_request_cannot_add_something_else(deciding: Replica) -> None:
    await deciding.add("n", 5, REQUEST_ID)
    answer = await refused(deciding.add("n", 6, REQUEST_ID))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_REUSED")
    assert (await deciding.add("n", 5, str(uuid.uuid4()))).value == 10


async def test_a_flush_begins_numbers_again(deciding: Replica) -> None:
    await deciding.add("n", 5, REQUEST_ID)
    await deciding.flush()
    again = await deciding.add("n", 5, REQUEST_ID)
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
