import random

from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.entry import FLAGS_AT, FRESH_UNTIL_AT, Draft, Entry, decode
from services.cache.domain.outcome import Outcome

tags = some.lists(
    some.text(some.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20), max_size=8
)
times = some.integers(min_value=0, max_value=2**62)


def stored(draft: Draft, incarnation: int, version: int) -> bytes:
    """The bytes of an entry as they are in Redis, where a script writes the stamp."""
    return b"\x02" + incarnation.to_bytes(8, "big") + version.to_bytes(8, "big") + draft.tail()


@given(some.binary(max_size=200), tags, times, times, times, times, times, some.booleans(), some.integers(0, 2**32 - 1))
def test_an_entry_is_read_as_it_was_written(
    value: bytes,
    tagged: list[str],
    created_ms: int,
    fresh_ms: int,
    stale_ms: int,
    incarnation: int,
    version: int,
    absent: bool,
    load_ms: int,
) -> None:
    draft = Draft("key", value, tuple(tagged), created_ms, fresh_ms, stale_ms, absent, load_ms)
    assert decode(stored(draft, incarnation, version)) == draft.entry(incarnation, version)


@given(some.binary(max_size=100))
def test_bytes_that_are_no_entry_are_none_and_never_an_error(raw: bytes) -> None:
    assert decode(raw) is None or raw[0] == 2


def test_a_cut_entry_an_entry_of_another_format_and_broken_tags_are_none() -> None:
    whole = stored(Draft("key", b"", ("ключ",), 1, 2, 3), 4, 5)
    assert decode(whole) is not None
    assert decode(whole[:-1]) is None
    assert decode(b"\x03" + whole[1:]) is None
    assert decode(whole.replace("ю".encode(), b"\xff\xff")) is None


def test_an_entry_is_allowed_while_it_is_fresh_or_as_stale_as_the_caller_takes_and_it_is_kept() -> None:
    entry = Entry(1, 1, 0, 100, 150, (), b"")
    rows = [  # now, max_stale_ms, fresh, allowed
        (99, 0, True, True),
        (100, 0, False, False),
        (109, 10, False, True),
        (110, 10, False, False),
        (149, 2**62, False, True),
        (150, 2**62, False, False),
    ]
    for now_ms, max_stale_ms, fresh, allowed in rows:
        assert (entry.is_fresh(now_ms), entry.is_allowed(now_ms, max_stale_ms)) == (fresh, allowed), now_ms


@given(some.integers(-1_000, 1_000), some.integers(0, 2_000), some.integers(0, 3_000))
def test_an_expired_entry_is_never_staler_than_its_caller_takes(
    now_ms: int, created_ms: int, max_stale_ms: int
) -> None:
    now_ms += created_ms
    whole = Entry(1, 1, created_ms, created_ms + 500, 2_500, (), b"")
    expired = whole.expired()
    assert expired is not None
    assert not expired.is_fresh(now_ms) or now_ms < 0
    if now_ms >= 0 and expired.is_allowed(now_ms, max_stale_ms):
        assert max_stale_ms > max(now_ms - created_ms, 0), "it was right when it was written, and nobody knows longer"
        assert now_ms < whole.stale_until_ms


def test_an_expired_entry_is_as_stale_as_it_is_old() -> None:
    entry = Entry(1, 1, 100, 200, 300, (), b"").expired()
    assert entry is not None
    rows = [  # now, max_stale_ms, allowed
        (100, 0, False),
        (90, 0, False),  # by a clock that is late
        (90, 1, True),
        (149, 50, True),
        (150, 50, False),
        (299, 2**62, True),
        (300, 2**62, False),
    ]
    for now_ms, max_stale_ms, allowed in rows:
        assert entry.is_allowed(now_ms, max_stale_ms) == allowed, now_ms


def test_what_says_that_there_is_nothing_does_not_outlive_being_expired() -> None:
    assert Entry(1, 1, 100, 200, 200, (), b"", Outcome.ABSENT).expired() is None


def test_the_store_finds_flags_and_fresh_time_where_its_scripts_look_for_them() -> None:
    raw = stored(Draft("key", b"", (), 1, 2, 3, absent=True), 4, 5)
    assert raw[FLAGS_AT] == 1
    assert raw[FRESH_UNTIL_AT : FRESH_UNTIL_AT + 8] == (2).to_bytes(8, "big")


def test_a_value_that_is_long_enough_is_packed_in_the_store_and_comes_back_as_it_was() -> None:
    value = b"a runner and its odds, " * 100
    plain = stored(Draft("key", value, ("tag",), 1, 2, 3), 4, 5)
    smaller = stored(Draft("key", value, ("tag",), 1, 2, 3, pack_from_bytes=1_024), 4, 5)
    assert len(smaller) < len(plain) / 10
    assert decode(smaller) == decode(plain)
    assert decode(smaller[:-1]) is None, "what is cut off is nothing"


def test_a_value_that_is_too_short_or_gets_no_smaller_is_stored_as_it_is() -> None:
    for value in (b"a" * 1_023, random.Random(5).randbytes(2_048)):
        assert stored(Draft("key", value, (), 1, 2, 3, pack_from_bytes=1_024), 4, 5).endswith(value)
