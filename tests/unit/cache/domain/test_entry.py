from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.entry import Draft, Entry, decode

tags = some.lists(
    some.text(some.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20), max_size=8
)
times = some.integers(min_value=0, max_value=2**62)


def stored(draft: Draft, incarnation: int, version: int) -> bytes:
    """The bytes of an entry as they are in Redis, where a script writes the stamp."""
    return b"\x01" + incarnation.to_bytes(8, "big") + version.to_bytes(8, "big") + draft.tail()


@given(some.binary(max_size=200), tags, times, times, times, times, times)
def test_an_entry_is_read_as_it_was_written(
    value: bytes, tagged: list[str], created_ms: int, fresh_ms: int, stale_ms: int, incarnation: int, version: int
) -> None:
    draft = Draft("key", value, tuple(tagged), created_ms, fresh_ms, stale_ms)
    assert decode(stored(draft, incarnation, version)) == draft.entry(incarnation, version)


@given(some.binary(max_size=100))
def test_bytes_that_are_no_entry_are_none_and_never_an_error(raw: bytes) -> None:
    assert decode(raw) is None or raw[0] == 1


def test_a_cut_entry_an_entry_of_another_format_and_broken_tags_are_none() -> None:
    whole = stored(Draft("key", b"", ("ключ",), 1, 2, 3), 4, 5)
    assert decode(whole) is not None
    assert decode(whole[:-1]) is None
    assert decode(b"\x02" + whole[1:]) is None
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
