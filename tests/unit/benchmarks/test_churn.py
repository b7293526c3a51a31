import os
import random

from furlong.cache.v1 import cache_service_pb2 as pb

from benchmarks.churn import REQUEST_BYTES_MAX, _items, resident_bytes


def test_a_process_has_bytes_in_memory() -> None:
    assert resident_bytes(os.getpid()) > 1024 * 1024


def test_items_fit_into_a_request_and_no_two_have_the_same_key() -> None:
    chance = random.Random(1)
    for _ in range(20):
        items = _items(chance)
        assert items
        assert len({item.key for item in items}) == len(items)
        assert pb.BatchSetRequest(namespace="metrics", items=items).ByteSize() <= REQUEST_BYTES_MAX + 100
