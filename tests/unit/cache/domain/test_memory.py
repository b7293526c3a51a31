import gc
import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.entry import Entry, Key
from services.cache.domain.memory import Memory, bytes_of

MIB = 1024 * 1024


def entry(value: bytes = b"", version: int = 1) -> Entry:
    return Entry(1, version, 0, 0, 0, (), value)


def key(name: str) -> Key:
    return Key("tracks", name)


def test_the_entry_that_was_asked_for_the_longest_time_ago_goes_first() -> None:
    memory = Memory(3 * bytes_of(key("a"), entry()))
    for name in "abc":
        memory.put(key(name), entry())
    memory.get(key("a"))
    memory.put(key("d"), entry())
    assert {each.key for each in memory} == {"a", "c", "d"}
    assert memory.share("tracks").evictions == 1


def test_an_older_version_never_replaces_a_newer_one_of_the_same_incarnation() -> None:
    memory = Memory(MIB)
    memory.put(key("a"), entry(b"new", 7))
    memory.put(key("a"), entry(b"old", 6))
    held = memory.get(key("a"))
    assert held is not None
    assert held.value == b"new"
    memory.put(key("a"), Entry(2, 1, 0, 0, 0, (), b"after the store lost its memory"))
    held = memory.get(key("a"))
    assert held is not None
    assert held.value == b"after the store lost its memory"


def test_dropping_what_is_older_leaves_what_is_newer() -> None:
    memory = Memory(MIB)
    memory.put(key("a"), entry(version=7))
    memory.drop_older(key("a"), 7)
    assert memory.get(key("a")) is not None
    memory.drop_older(key("a"), 8)
    assert memory.get(key("a")) is None
    memory.drop(key("a"))


def test_an_entry_larger_than_the_bound_is_not_kept_and_pushes_nothing_out() -> None:
    memory = Memory(2_000)
    memory.put(key("a"), entry())
    memory.put(key("b"), entry(b"v" * 2_000))
    assert {each.key for each in memory} == {"a"}


@given(some.lists(some.tuples(some.integers(0, 20), some.integers(0, 3_000), some.booleans()), max_size=200))
def test_the_bytes_are_those_of_what_is_held_and_never_beyond_the_bound(
    steps: list[tuple[int, int, bool]],
) -> None:
    memory = Memory(10_000)
    for version, (name, size, put) in enumerate(steps):
        named = Key("tracks" if name % 2 else "cards", f"{name}")
        if put:
            memory.put(named, entry(b"v" * size, version))
        else:
            memory.drop(named)
        held = [(each, memory._entries[each]) for each in memory]
        assert memory.bytes == sum(bytes_of(*each) for each in held) <= 10_000
        shares = [memory.share(namespace) for namespace in ("tracks", "cards")]
        assert sum(share.bytes for share in shares) == memory.bytes
        assert sum(share.entries for share in shares) == len(memory)
    memory.clear()
    assert (memory.bytes, len(memory), memory.share("tracks").entries) == (0, 0, 0)


def test_the_process_takes_no_more_than_a_quarter_beyond_the_bound() -> None:
    chance = random.Random(5)
    gc.collect()
    tracemalloc.start()
    try:
        memory = Memory(MIB)
        for n in range(12_000):  # mixed sizes, several times over
            size = chance.choice((0, 20, 200, 2_000))
            tags = (f"tag {n % 50}",) if n % 3 else ()
            now_ms = 1_800_000_000_000 + n
            named = Key("tracks", f"round/{chance.randrange(6_000)}")
            memory.put(named, Entry(10**15, 10**15 + n, now_ms, now_ms + 1, now_ms + 2, tags, bytes(size)))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.99 * MIB < memory.bytes <= MIB
    assert taken <= 1.25 * MIB
    assert taken >= 0.7 * MIB, "the accounting wastes what was granted"
