"""What breaks the contract is refused with the field that breaks it, and leaves nothing behind."""

from typing import Any

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.cache.v1 import topic_service_pb2 as topics_pb

from services.cache.domain.namespace import NAMESPACES
from tests.caches import EVENTUAL, REQUEST_ID, Replica
from tests.served import refused

LONG = "k" * 513
TTL_MAX = NAMESPACES[EVENTUAL].ttl_ms


def item(key: str = "k", value: bytes = b"", ttl_ms: int = 0, tags: tuple[str, ...] = ()) -> pb.Item:
    return pb.Item(key=key, value=value, ttl_ms=ttl_ms, tags=tags)


def set_(given: pb.Item) -> pb.SetRequest:
    return pb.SetRequest(namespace=EVENTUAL, item=given)


def batch(*given: pb.Item) -> pb.BatchSetRequest:
    return pb.BatchSetRequest(namespace=EVENTUAL, items=given)


def keys(*given: str) -> pb.InvalidateRequest:
    return pb.InvalidateRequest(namespace=EVENTUAL, keys=pb.Keys(keys=given))


def increment(**given: Any) -> pb.IncrementRequest:
    return pb.IncrementRequest(**{"request_id": REQUEST_ID, "namespace": EVENTUAL, "key": "k", "delta": 1, **given})


def pattern(given: str) -> pb.InvalidateRequest:
    return pb.InvalidateRequest(namespace=EVENTUAL, pattern=given)


ENTRIES: list[tuple[str, Any, str]] = [
    ("Get", pb.GetRequest(namespace="odds", key="k"), "namespace"),
    ("Get", pb.GetRequest(key="k"), "namespace"),
    ("Get", pb.GetRequest(namespace=EVENTUAL), "key"),
    ("Get", pb.GetRequest(namespace=EVENTUAL, key=LONG), "key"),
    ("Get", pb.GetRequest(namespace=EVENTUAL, key="ё" * 257), "key"),
    ("Get", pb.GetRequest(namespace=EVENTUAL, key="k", max_stale_ms=-1), "max_stale_ms"),
    ("Get", pb.GetRequest(namespace=EVENTUAL, key="k", want_lease=True, wait_ms=-1), "wait_ms"),
    ("Get", pb.GetRequest(namespace=EVENTUAL, key="k", want_lease=True, wait_ms=401), "wait_ms"),
    ("BatchGet", pb.BatchGetRequest(namespace="?", keys=["k"]), "namespace"),
    ("BatchGet", pb.BatchGetRequest(namespace=EVENTUAL), "keys"),
    ("BatchGet", pb.BatchGetRequest(namespace=EVENTUAL, keys=["k"] * 1_001), "keys"),
    ("BatchGet", pb.BatchGetRequest(namespace=EVENTUAL, keys=["k", ""]), "keys[1]"),
    ("BatchGet", pb.BatchGetRequest(namespace=EVENTUAL, keys=["k", LONG]), "keys[1]"),
    ("BatchGet", pb.BatchGetRequest(namespace=EVENTUAL, keys=["k"], max_stale_ms=-1), "max_stale_ms"),
    ("Set", pb.SetRequest(namespace="?", item=item()), "namespace"),
    ("Set", pb.SetRequest(namespace=EVENTUAL), "item.key"),
    ("Set", set_(item(key=LONG)), "item.key"),
    ("Set", set_(item(value=b"v" * (128 * 1024 + 1))), "item.value"),
    ("Set", set_(item(ttl_ms=-1)), "item.ttl_ms"),
    ("Set", set_(item(ttl_ms=TTL_MAX + 1)), "item.ttl_ms"),
    ("Set", set_(item(tags=("t",) * 9)), "item.tags"),
    ("Set", set_(item(tags=("t", ""))), "item.tags[1]"),
    ("Set", set_(item(tags=("t" * 129,))), "item.tags[0]"),
    ("Set", set_(item(tags=("a\0b",))), "item.tags[0]"),
    ("Set", set_(pb.Item(key="k", value=b"v", absent=True)), "item.value"),
    ("Set", set_(pb.Item(key="k", load_ms=-1)), "item.load_ms"),
    ("Set", set_(pb.Item(key="k", load_ms=2**32)), "item.load_ms"),
    ("Set", pb.SetRequest(namespace=EVENTUAL, item=item(), lease_token=0), "lease_token"),
    ("Set", pb.SetRequest(namespace=EVENTUAL, item=item(), lease_token=-1), "lease_token"),
    ("Set", pb.SetRequest(namespace=EVENTUAL, item=item(), if_version=0), "if_version"),
    ("Set", pb.SetRequest(namespace=EVENTUAL, item=item(), if_missing=False), "if_missing"),
    ("BatchSet", pb.BatchSetRequest(namespace="?", items=[item()]), "namespace"),
    ("BatchSet", batch(), "items"),
    ("BatchSet", batch(*[item(str(n)) for n in range(1_001)]), "items"),
    ("BatchSet", batch(item("a"), item("a")), "items"),
    ("BatchSet", batch(item(), item(key="")), "items[1].key"),
    ("BatchSet", batch(item(), item("l", ttl_ms=-5)), "items[1].ttl_ms"),
    ("Delete", pb.DeleteRequest(namespace="?", key="k"), "namespace"),
    ("Delete", pb.DeleteRequest(namespace=EVENTUAL), "key"),
    ("Delete", pb.DeleteRequest(namespace=EVENTUAL, key=LONG), "key"),
    ("Delete", pb.DeleteRequest(namespace=EVENTUAL, key="k", mode=pb.Mode.ValueType(3)), "mode"),
    ("ReleaseLease", pb.ReleaseLeaseRequest(namespace="?", key="k", token=1), "namespace"),
    ("ReleaseLease", pb.ReleaseLeaseRequest(namespace=EVENTUAL, token=1), "key"),
    ("ReleaseLease", pb.ReleaseLeaseRequest(namespace=EVENTUAL, key=LONG, token=1), "key"),
    ("ReleaseLease", pb.ReleaseLeaseRequest(namespace=EVENTUAL, key="k"), "token"),
    ("Increment", increment(request_id="1"), "request_id"),
    ("Increment", increment(namespace="?"), "namespace"),
    ("Increment", increment(key=""), "key"),
    ("Increment", increment(key=LONG), "key"),
    ("Increment", increment(delta=0), "delta"),
    ("Increment", increment(delta=10**12 + 1), "delta"),
    ("Increment", increment(delta=-(10**12) - 1), "delta"),
    ("Increment", increment(ttl_ms=-1), "ttl_ms"),
    ("Increment", increment(ttl_ms=TTL_MAX + 1), "ttl_ms"),
    ("Invalidate", pb.InvalidateRequest(namespace=EVENTUAL, everything=True, mode=pb.Mode.ValueType(-1)), "mode"),
    ("Invalidate", pb.InvalidateRequest(namespace="?", everything=True), "namespace"),
    ("Invalidate", pb.InvalidateRequest(namespace=EVENTUAL), "target"),
    ("Invalidate", pb.InvalidateRequest(namespace=EVENTUAL, everything=False), "everything"),
    ("Invalidate", keys(), "keys.keys"),
    ("Invalidate", keys("k", ""), "keys.keys[1]"),
    ("Invalidate", pb.InvalidateRequest(namespace=EVENTUAL, tag=""), "tag"),
    ("Invalidate", pb.InvalidateRequest(namespace=EVENTUAL, tag="t" * 129), "tag"),
    ("Invalidate", pattern(""), "pattern"),
    ("Invalidate", pattern("p" * 129), "pattern"),
    ("Invalidate", pattern("round/["), "pattern"),
    ("Invalidate", pattern("round/[]"), "pattern"),
    ("Invalidate", pattern("round/[!]"), "pattern"),
    ("Invalidate", pattern("round/[9-0]"), "pattern"),
]

TOPICS: list[tuple[str, Any, str]] = [
    ("Publish", topics_pb.PublishRequest(topic="t"), "request_id"),
    ("Publish", topics_pb.PublishRequest(topic="t", request_id="1"), "request_id"),
    ("Publish", topics_pb.PublishRequest(request_id=REQUEST_ID), "topic"),
    ("Publish", topics_pb.PublishRequest(request_id=REQUEST_ID, topic="Track"), "topic"),
    ("Publish", topics_pb.PublishRequest(request_id=REQUEST_ID, topic="t" * 129), "topic"),
    ("Publish", topics_pb.PublishRequest(request_id=REQUEST_ID, topic="cache/changes"), "topic"),
    ("Publish", topics_pb.PublishRequest(request_id=REQUEST_ID, topic="t", payload=b"p" * 65_537), "payload"),
    ("Subscribe", topics_pb.SubscribeRequest(), "topic"),
    ("Subscribe", topics_pb.SubscribeRequest(topic="cache/changes"), "topic"),
    ("Subscribe", topics_pb.SubscribeRequest(topic="t", after=-1, epoch="1"), "after"),
    ("Subscribe", topics_pb.SubscribeRequest(topic="t", after=1), "epoch"),
    ("Subscribe", topics_pb.SubscribeRequest(topic="t", after=1, epoch="first"), "epoch"),
    ("Subscribe", topics_pb.SubscribeRequest(topic="t", epoch="1"), "epoch"),
]


@pytest.mark.parametrize(("method", "request_", "field"), ENTRIES)
async def test_a_request_that_breaks_the_contract_of_entries_is_refused(
    cache: Replica, method: str, request_: Any, field: str
) -> None:
    answer = await refused(getattr(cache.entries, method)(request_))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert field in answer.fields
    stats = await cache.stats()
    assert all(each.entries == each.bytes == each.sets == each.invalidations == 0 for each in stats.namespaces)


@pytest.mark.parametrize(("method", "request_", "field"), TOPICS)
async def test_a_request_that_breaks_the_contract_of_topics_is_refused(
    cache: Replica, method: str, request_: Any, field: str
) -> None:
    call = getattr(cache.topics, method)(request_)
    answer = await refused(call.read() if method == "Subscribe" else call)
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert field in answer.fields


async def test_the_refusal_of_a_namespace_names_those_that_there_are(cache: Replica) -> None:
    answer = await refused(cache.entries.Get(pb.GetRequest(namespace="odds", key="k")))
    assert all(name in answer.message for name in NAMESPACES)
