from typing import Any

import pytest
from furlong.client.near import BYTES, JSON, Coherence, NearPolicy, of_message
from furlong.common.v1.round_pb2 import Track


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"ttl_ms": -1}, "ttl_ms is below 0"),
        ({"stale_ms": -1}, "stale_ms is below 0"),
        ({"bytes_max": -1}, "bytes_max is below 0"),
        ({"bound_ms": 1_000}, "BOUNDED"),
        ({"coherence": Coherence.BOUNDED}, "bound_ms"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        NearPolicy(namespace="tracks", **settings)


def test_what_a_codec_writes_it_reads() -> None:
    track = Track(track="harbour-mile")
    assert of_message(Track).decode(of_message(Track).encode(track)) == track
    assert JSON.decode(JSON.encode({"a": [1, None]})) == {"a": [1, None]}
    assert BYTES.decode(BYTES.encode(b"\0")) == b"\0"


@pytest.mark.parametrize("result", ["text", 5])
def test_what_is_no_bytes_is_not_taken_for_them(result: Any) -> None:
    with pytest.raises(TypeError, match="not bytes"):
        BYTES.encode(result)


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        JSON.encode(float("nan"))
