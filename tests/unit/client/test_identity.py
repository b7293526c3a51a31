"""Request ids are UUIDs of version 7."""

import uuid

import pytest
from furlong.client.identity import CHANCE_BYTES, uuid7, uuid7_time_ms

# The example of RFC 9562, appendix A.6: rand_a is 0xCC3, rand_b 0x18C4DC0C0C07398F.
RFC_TIME_MS = 0x017F22E279B0
RFC_CHANCE = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(CHANCE_BYTES)
RFC_TEXT = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_the_example_of_the_rfc_comes_out_as_printed() -> None:
    assert uuid7(RFC_TIME_MS, RFC_CHANCE) == RFC_TEXT


def test_an_id_tells_when_it_was_made() -> None:
    assert uuid7_time_ms(RFC_TEXT) == RFC_TIME_MS
    assert uuid7_time_ms(uuid7(0)) == 0
    assert uuid7_time_ms(uuid7(2**48 - 1)) == 2**48 - 1


def test_ids_are_version_7_of_the_rfcs_variant_and_differ() -> None:
    made = [uuid.UUID(uuid7()) for _ in range(1_000)]
    assert {value.version for value in made} == {7}
    assert {value.variant for value in made} == {uuid.RFC_4122}
    assert len(set(made)) == 1_000


def test_ids_sort_by_the_time_at_which_they_were_made() -> None:
    made = [uuid7(now_ms) for now_ms in (0, 1, 1_000, 1_700_000_000_000, 1_700_000_000_001)]
    assert made == sorted(made)


@pytest.mark.parametrize("text", ["", "17", str(uuid.UUID(int=0)), "9b2f6a4c-3d1e-4f7a-8c55-0e6d2b9a1f34"])
def test_what_is_no_uuid7_tells_no_time(text: str) -> None:
    with pytest.raises(ValueError):
        uuid7_time_ms(text)


@pytest.mark.parametrize(("now_ms", "chance"), [(-1, None), (2**48, None), (0, b"short")])
def test_time_and_chance_have_bounds(now_ms: int, chance: bytes | None) -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        uuid7(now_ms, chance)
