import zstandard
from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.bounds import VALUE_BYTES_MAX
from services.cache.domain.packing import packed, unpacked

RUNNERS = b'{"runner": 1, "name": "Quick Silver", "weight": 12, "win_price_hundredths": 340}' * 40


def test_a_value_that_repeats_itself_takes_less() -> None:
    smaller = packed(RUNNERS, 1_024)
    assert smaller is not None
    assert len(smaller) < 0.2 * len(RUNNERS)
    assert unpacked(smaller) == RUNNERS


def test_what_is_short_stays_as_it_is() -> None:
    assert packed(RUNNERS[:1_023], 1_024) is None
    assert packed(RUNNERS[:1_024], 1_024) is not None


def test_what_gets_hardly_smaller_stays_as_it_is() -> None:
    once = packed(RUNNERS * 40, 1_024)
    assert once is not None
    assert packed(once, 0) is None


@given(some.binary(max_size=4_096))
def test_what_is_packed_is_unpacked_to_the_very_bytes(value: bytes) -> None:
    smaller = packed(value, 0)
    assert smaller is None or unpacked(smaller) == value


@given(some.binary(max_size=200))
def test_bytes_that_nobody_packed_are_nothing(noise: bytes) -> None:
    value = unpacked(noise)
    assert value is None or len(value) <= VALUE_BYTES_MAX


def test_what_would_unpack_to_more_than_a_value_may_be_is_nothing() -> None:
    assert unpacked(zstandard.ZstdCompressor().compress(bytes(VALUE_BYTES_MAX + 1))) is None
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100))
    assert unpacked(unsized) is None
