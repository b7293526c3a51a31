import gc
import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.entry import Entry, Key
from services.cache.domain.memory import HOLDING_BYTES, NUMBERS_BYTES, Memory, bytes_of

MIB = 1024 * 1024
NOW_MS = 1_800_000_000_000
LATER_MS = NOW_MS + 60_000


def entry(value: bytes = b"", version: int = 1, until_ms: int = LATER_MS) -> Entry:
    return Entry(1, version, NOW_MS, until_ms, until_ms, (), value)


def key(name: str) -> Key:
    return Key("tracks", name)


def value(memory: Memory, name: str, now_ms: int = NOW_MS) -> bytes | None:
    held = memory.get(key(name), now_ms)
    return None if held is None else held.value


def test_what_was_used_outlives_what_was_not() -> None:
    memory = Memory(64 * 1024)
    memory.put(key("used"), entry(bytes(1_000)), NOW_MS)
    for n in range(1_000):
        memory.get(key("used"), NOW_MS)
        memory.put(key(f"once {n}"), entry(bytes(1_000)), NOW_MS)
    assert value(memory, "used") is not None
    assert value(memory, "once 500") is None
    assert memory.share("tracks").evictions == 1_001 - len(memory)


def test_an_older_version_never_replaces_a_newer_one_of_the_same_incarnation() -> None:
    memory = Memory(MIB)
    memory.put(key("a"), entry(b"new", 7), NOW_MS)
    memory.put(key("a"), entry(b"old", 6), NOW_MS)
    assert value(memory, "a") == b"new"
    memory.put(key("a"), entry(b"after the store lost its memory", 1)._replace(incarnation=2), NOW_MS)
    assert value(memory, "a") == b"after the store lost its memory"
    assert len(memory) == 1


def test_dropping_what_is_older_leaves_what_is_newer() -> None:
    memory = Memory(MIB)
    memory.put(key("a"), entry(version=7), NOW_MS)
    memory.drop_older(key("a"), 7)
    assert value(memory, "a") is not None
    memory.drop_older(key("a"), 8)
    assert value(memory, "a") is None
    memory.drop(key("a"))


def test_an_entry_larger_than_the_bound_is_not_kept_and_pushes_nothing_out() -> None:
    memory = Memory(4_000)
    memory.put(key("a"), entry(), NOW_MS)
    memory.put(key("b"), entry(b"v" * 4_000), NOW_MS)
    assert {each.key for each in memory} == {"a"}


def test_what_is_overwritten_by_something_too_large_is_not_answered_any_more() -> None:
    memory = Memory(4_000)
    memory.put(key("a"), entry(version=1), NOW_MS)
    memory.put(key("a"), entry(b"v" * 4_000, version=2), NOW_MS)
    assert value(memory, "a") is None


def test_an_entry_ends_at_its_very_millisecond() -> None:
    memory = Memory(MIB)
    memory.put(key("a"), entry(b"v"), NOW_MS)
    assert value(memory, "a", LATER_MS - 1) == b"v"
    assert value(memory, "a", LATER_MS) is None
    assert len(memory) == 0, "what was found to have ended is gone"
    memory.put(key("b"), entry(until_ms=NOW_MS), NOW_MS)
    assert len(memory) == 0, "what has ended already is not kept"


def test_writes_take_out_what_has_ended_before_anything_that_lives() -> None:
    memory = Memory(64 * 1024)
    for n in range(15):
        memory.put(key(f"lives {n}"), entry(bytes(1_000)), NOW_MS)
    for n in range(15):
        memory.put(key(f"ends {n}"), entry(bytes(1_000), until_ms=NOW_MS + 1), NOW_MS)
    for n in range(15):
        memory.put(key(f"new {n}"), entry(bytes(1_000)), LATER_MS - 1)
    assert {each.key for each in memory} == {f"{what} {n}" for what in ("lives", "new") for n in range(15)}
    assert memory.share("tracks").evictions == 0


def test_an_entry_weighs_its_objects_and_its_places_and_what_is_lost() -> None:
    # The sizes of CPython 3.11 and later on 64 bits: an object's head, and its bytes.
    named, held = Key("tracks", "a" * 10), entry(bytes(1_000))
    objects = (33 + 1_000) + (49 + 10) + named.__sizeof__() + held.__sizeof__() + 2 * 16  # two tuples' heads for the GC
    assert bytes_of(named, held) == HOLDING_BYTES + NUMBERS_BYTES + objects + 1_000 // 8
    tagged = held._replace(tags=("a tag",))
    assert bytes_of(named, tagged) - bytes_of(named, held) == ("a tag",).__sizeof__() + 16 + (49 + 5)


@given(
    some.lists(
        some.tuples(
            some.integers(0, 30), some.integers(0, 3_000), some.sampled_from("ppppggd"), some.integers(0, 20_000)
        ),
        max_size=200,
    )
)
def test_the_bytes_are_those_of_what_is_held_and_never_beyond_the_bound(
    steps: list[tuple[int, int, str, int]],
) -> None:
    memory = Memory(16_000)
    ghosts_bytes = memory.bytes
    written: dict[Key, Entry] = {}
    now_ms = NOW_MS
    for version, (name, size, what, number) in enumerate(steps):
        named = Key("tracks" if name % 2 else "cards", f"{name}")
        now_ms += number // 10
        if what == "p":
            written[named] = entry(b"v" * size, version, now_ms + number)
            memory.put(named, written[named], now_ms)
        elif what == "d":
            memory.drop(named)
            written.pop(named, None)
        else:
            found = memory.get(named, now_ms)
            assert found is None or (found is written[named] and now_ms < found.stale_until_ms)
        held = [(each, place.entry) for each in memory if (place := memory._order.find(each)) is not None]
        assert memory.bytes == sum(bytes_of(*each) for each in held) + ghosts_bytes <= 16_000
        shares = [memory.share(namespace) for namespace in ("tracks", "cards")]
        assert sum(share.bytes for share in shares) + ghosts_bytes == memory.bytes
        assert sum(share.entries for share in shares) == len(memory) == len(held)
    memory.clear()
    assert (memory.bytes, len(memory), memory.share("tracks").entries) == (ghosts_bytes, 0, 0)


def test_the_process_takes_no_more_than_a_quarter_beyond_the_bound() -> None:
    chance = random.Random(5)
    gc.collect()
    tracemalloc.start()
    try:
        memory = Memory(MIB)
        for n in range(12_000):  # mixed sizes, several times over
            size = chance.choice((0, 20, 200, 2_000))
            tags = (f"tag {n % 50}",) if n % 3 else ()
            now_ms = NOW_MS + n
            named = Key("tracks", f"round/{chance.randrange(6_000)}")
            until_ms = now_ms + chance.randrange(1, 60_000)
            memory.put(named, Entry(10**15, 10**15 + n, now_ms, until_ms, until_ms, tags, bytes(size)), now_ms)
            memory.get(Key("tracks", f"round/{chance.randrange(6_000)}"), now_ms)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.99 * MIB < memory.bytes <= MIB
    assert taken <= 1.25 * MIB
    assert taken >= 0.7 * MIB, "the accounting wastes what was granted"
