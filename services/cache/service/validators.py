"""What the contract asks of each request, as the protos state it."""

import re
from collections.abc import Sequence
from typing import Any, Final

from furlong.cache.v1 import cache_service_pb2 as cache
from furlong.cache.v1 import topic_service_pb2 as topics

from services.cache.domain.bounds import (
    BATCH_MAX,
    DELTA_MAX,
    KEY_BYTES_MAX,
    PATTERN_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    TAG_BYTES_MAX,
    TAGS_MAX,
    TOPIC_BYTES_MAX,
    WAIT_MS_MAX,
)
from services.cache.domain.entry import LOAD_MS_MAX
from services.cache.domain.glob import GlobBroken, compile_glob
from services.cache.domain.namespace import NAMESPACES, Namespace
from services.chassis.validation import Checks, Validators

INT64_MAX: Final = 2**63 - 1
OWN_TOPICS: Final = "cache/"

_TOPIC: Final = re.compile(rf"[a-z0-9./-]{{1,{TOPIC_BYTES_MAX}}}")
_EPOCH: Final = re.compile(r"[1-9][0-9]{0,18}")


def get(request: cache.GetRequest, checks: Checks) -> None:
    """GetRequest."""
    _namespace(request.namespace, checks)
    if not (request.key and _is_short(request.key)):
        _bytes("key", request.key, 1, KEY_BYTES_MAX, checks)
    checks.between("max_stale_ms", request.max_stale_ms, 0, INT64_MAX)
    if request.want_lease:
        checks.between("wait_ms", request.wait_ms, 0, WAIT_MS_MAX)


def batch_get(request: cache.BatchGetRequest, checks: Checks) -> None:
    """BatchGetRequest."""
    _namespace(request.namespace, checks)
    _keys("keys", request.keys, checks)
    checks.between("max_stale_ms", request.max_stale_ms, 0, INT64_MAX)


def set_(request: cache.SetRequest, checks: Checks) -> None:
    """SetRequest."""
    _item("item", request.item, _namespace(request.namespace, checks), checks)
    match request.WhichOneof("condition"):
        case "lease_token":
            checks.between("lease_token", request.lease_token, 1, INT64_MAX)
        case "if_version":
            checks.between("if_version", request.if_version, 1, INT64_MAX)
        case "if_missing":
            checks.that("if_missing", request.if_missing, "is set and not true")


def batch_set(request: cache.BatchSetRequest, checks: Checks) -> None:
    """BatchSetRequest."""
    namespace = _namespace(request.namespace, checks)
    checks.length("items", request.items, 1, BATCH_MAX)
    for n, item in enumerate(request.items[:BATCH_MAX]):
        _item(f"items[{n}]", item, namespace, checks)
    differing = len({item.key for item in request.items})
    checks.that("items", differing == len(request.items), "has items with the same key")


def delete(request: cache.DeleteRequest, checks: Checks) -> None:
    """DeleteRequest."""
    _namespace(request.namespace, checks)
    _bytes("key", request.key, 1, KEY_BYTES_MAX, checks)
    _mode(request.mode, checks)


def release_lease(request: cache.ReleaseLeaseRequest, checks: Checks) -> None:
    """ReleaseLeaseRequest."""
    _namespace(request.namespace, checks)
    _bytes("key", request.key, 1, KEY_BYTES_MAX, checks)
    checks.between("token", request.token, 1, INT64_MAX)


def increment(request: cache.IncrementRequest, checks: Checks) -> None:
    """IncrementRequest."""
    checks.uuid("request_id", request.request_id)
    namespace = _namespace(request.namespace, checks)
    _bytes("key", request.key, 1, KEY_BYTES_MAX, checks)
    checks.between("delta", request.delta, -DELTA_MAX, DELTA_MAX)
    checks.that("delta", request.delta != 0, "is 0")
    if namespace is not None:
        checks.between("ttl_ms", request.ttl_ms, 0, namespace.ttl_ms)


def invalidate(request: cache.InvalidateRequest, checks: Checks) -> None:
    """InvalidateRequest."""
    _namespace(request.namespace, checks)
    _mode(request.mode, checks)
    match request.WhichOneof("target"):
        case "keys":
            _keys("keys.keys", request.keys.keys, checks)
        case "pattern":
            _pattern(request.pattern, checks)
        case "tag":
            _tag("tag", request.tag, checks)
        case "everything":
            checks.that("everything", request.everything, "is set and not true")
        case _:
            checks.that("target", False, "is none of keys, pattern, tag, everything")


def watch_changes(request: cache.WatchChangesRequest, checks: Checks) -> None:
    """WatchChangesRequest."""
    checks.length("namespaces", request.namespaces, 1, len(NAMESPACES))
    for n, name in enumerate(request.namespaces[: len(NAMESPACES)]):
        _namespace(name, checks, f"namespaces[{n}]")


def publish(request: topics.PublishRequest, checks: Checks) -> None:
    """PublishRequest."""
    checks.uuid("request_id", request.request_id)
    _topic(request.topic, checks)
    _size("payload", len(request.payload), 0, PAYLOAD_BYTES_MAX, checks)


def subscribe(request: topics.SubscribeRequest, checks: Checks) -> None:
    """SubscribeRequest."""
    _topic(request.topic, checks)
    checks.between("after", request.after, 0, INT64_MAX)
    if request.after == 0:
        checks.that("epoch", not request.epoch, "belongs to a message, and `after` names none")
    else:
        checks.pattern("epoch", request.epoch, _EPOCH, "an epoch that came with a message")


def _namespace(name: str, checks: Checks, field: str = "namespace") -> Namespace | None:
    namespace = NAMESPACES.get(name)
    if namespace is None:
        checks.that(field, False, f"is none of {', '.join(NAMESPACES)}")
    return namespace


def _keys(field: str, keys: Sequence[str], checks: Checks) -> None:
    checks.length(field, keys, 1, BATCH_MAX)
    for n, key in enumerate(keys[:BATCH_MAX]):
        if not (key and _is_short(key)):  # a thousand keys pass here at once: words are made for wrong ones only
            _bytes(f"{field}[{n}]", key, 1, KEY_BYTES_MAX, checks)


def _item(at: str, item: cache.Item, namespace: Namespace | None, checks: Checks) -> None:
    _bytes(f"{at}.key", item.key, 1, KEY_BYTES_MAX, checks)
    checks.length(f"{at}.tags", item.tags, 0, TAGS_MAX)
    for n, tag in enumerate(item.tags[:TAGS_MAX]):
        _tag(f"{at}.tags[{n}]", tag, checks)
    if namespace is not None:
        _size(f"{at}.value", len(item.value), 0, namespace.value_bytes_max, checks)
        checks.between(f"{at}.ttl_ms", item.ttl_ms, 0, namespace.ttl_ms)
    if item.absent:
        checks.that(f"{at}.value", not item.value, "is there, and `absent` says that there is nothing")
    if item.load_ms:
        checks.between(f"{at}.load_ms", item.load_ms, 0, LOAD_MS_MAX)


def _mode(mode: int, checks: Checks) -> None:
    checks.that("mode", mode in cache.Mode.values(), "is none of DELETE and EXPIRE")


def _tag(field: str, tag: str, checks: Checks) -> None:
    _bytes(field, tag, 1, TAG_BYTES_MAX, checks)
    checks.that(field, "\0" not in tag, "has a zero byte")


def _pattern(pattern: str, checks: Checks) -> None:
    _bytes("pattern", pattern, 1, PATTERN_BYTES_MAX, checks)
    try:
        compile_glob(pattern)
    except GlobBroken as broken:
        checks.that("pattern", False, f"is broken: {broken}")


def _topic(topic: str, checks: Checks) -> None:
    words = f"1 to {TOPIC_BYTES_MAX} lower-case letters, digits, `-`, `.` and `/`"
    checks.pattern("topic", topic, _TOPIC, words)
    checks.that("topic", not topic.startswith(OWN_TOPICS), f"begins with `{OWN_TOPICS}`, which is the cache's own")


def _is_short(key: str) -> bool:
    """Tell whether a key certainly fits: no character has more than four bytes."""
    return len(key) <= KEY_BYTES_MAX // 4 or (key.isascii() and len(key) <= KEY_BYTES_MAX)


def _bytes(field: str, text: str, low: int, high: int, checks: Checks) -> None:
    _size(field, len(text.encode()), low, high, checks)


def _size(field: str, size: int, low: int, high: int, checks: Checks) -> None:
    checks.that(field, low <= size <= high, f"has {size} bytes, not {low} to {high}")


_BY_MESSAGE: Final[Any] = {
    cache.GetRequest: get,
    cache.BatchGetRequest: batch_get,
    cache.SetRequest: set_,
    cache.BatchSetRequest: batch_set,
    cache.DeleteRequest: delete,
    cache.InvalidateRequest: invalidate,
    cache.ReleaseLeaseRequest: release_lease,
    cache.IncrementRequest: increment,
    cache.WatchChangesRequest: watch_changes,
    topics.PublishRequest: publish,
    topics.SubscribeRequest: subscribe,
}

VALIDATORS: Final[Validators] = _BY_MESSAGE
