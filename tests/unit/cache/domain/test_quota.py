import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as some

from services.cache.domain.entry import Entry, Key
from services.cache.domain.memory import Memory
from services.cache.domain.order import Place
from services.cache.domain.quota import LISTED_BYTES, Quota

KIB = 1024
NOW_MS = 1_800_000_000_000
LATER_MS = NOW_MS + 60_000


def entry(size: int = 1_000, version: int = 1, created_ms: int = NOW_MS) -> Entry:
    return Entry(1, version, created_ms, LATER_MS, LATER_MS, (), bytes(size))


def test_a_namespace_at_its_quota_pushes_out_its_own_entries_and_nobody_elses() -> None:
    memory = Memory(256 * KIB, {"reports": 64 * KIB})
    for n in range(40):
        memory.put(Key("tracks", f"{n}"), entry(), NOW_MS)
    for n in range(1_000):
        memory.put(Key("reports", f"{n}"), entry(), NOW_MS)
    assert memory.share("tracks").entries == 40
    assert memory.share("tracks").evictions == 0
    assert 56 * KIB < memory.share("reports").bytes <= 64 * KIB
    assert memory.share("reports").entries + memory.share("reports").evictions == 1_000
    assert (memory.bytes_max_of("reports"), memory.bytes_max_of("tracks")) == (64 * KIB, 256 * KIB)


def test_what_is_used_stays_while_its_namespace_is_at_its_quota() -> None:
    memory = Memory(256 * KIB, {"reports": 32 * KIB})
    memory.put(Key("reports", "used"), entry(), NOW_MS)
    for n in range(500):
        memory.get(Key("reports", "used"), NOW_MS)
        memory.put(Key("reports", f"once {n}"), entry(), NOW_MS)
    assert memory.get(Key("reports", "used"), NOW_MS) is not None


def test_what_alone_is_larger_than_the_quota_is_not_kept() -> None:
    memory = Memory(256 * KIB, {"reports": 4 * KIB})
    memory.put(Key("reports", "small"), entry(100), NOW_MS)
    memory.put(Key("reports", "large"), entry(8 * KIB), NOW_MS)
    assert {key.key for key in memory} == {"small"}


def test_an_entry_that_grows_makes_room_in_its_own_namespace() -> None:
    memory = Memory(256 * KIB, {"reports": 8 * KIB})
    for n in range(4):
        memory.put(Key("reports", f"{n}"), entry(1_000), NOW_MS)
    memory.put(Key("reports", "0"), entry(6_000, version=2), NOW_MS)
    held = memory.get(Key("reports", "0"), NOW_MS)
    assert held is not None
    assert len(held.value) == 6_000
    assert memory.share("reports").bytes <= 8 * KIB


def test_how_old_the_evicted_were_is_the_median_of_the_last_ones() -> None:
    memory = Memory(256 * KIB, {"reports": 4 * KIB})
    assert memory.share("reports").evicted_age_ms == 0
    for n in range(50):
        memory.put(Key("reports", f"{n}"), entry(1_000, created_ms=NOW_MS - 700), NOW_MS)
    assert memory.share("reports").evicted_age_ms == 700
    memory.put(Key("reports", "the first from the future"), entry(2_500, created_ms=LATER_MS), NOW_MS)
    memory.put(Key("reports", "pushes it out"), entry(2_500), NOW_MS)
    assert min(memory.share("reports").evicted_ages_ms) == 0, "clocks differ; nothing is younger than new"


def test_to_tell_a_size_is_no_use() -> None:
    memory = Memory(256 * KIB, {"reports": 8 * KIB})
    for n in range(100):
        memory.put(Key("reports", f"{n}"), entry(), NOW_MS)
        memory.size(Key("reports", "0"))
    assert memory.size(Key("reports", "0")) == 0
    assert memory.size(Key("reports", "99")) > 1_000


def test_a_choice_among_entries_that_all_were_used_ends() -> None:
    quota = Quota(1_000)
    for n in range(200):
        place = Place(1)
        place.uses = 3
        quota.add(Key("reports", f"{n}"), place)
    assert quota.next().namespace == "reports"


@given(some.lists(some.tuples(some.integers(0, 20), some.integers(0, 5_000), some.sampled_from("pppgd")), max_size=150))
def test_a_namespace_never_has_more_than_its_quota_and_the_books_agree(steps: list[tuple[int, int, str]]) -> None:
    memory = Memory(24_000, {"reports": 8_000, "tracks": 12_000})
    empty_bytes = memory.bytes
    for version, (name, size, what) in enumerate(steps):
        key = Key(("reports", "tracks", "cards")[name % 3], f"{name}")
        if what == "p":
            memory.put(key, entry(size, version), NOW_MS)
        elif what == "d":
            memory.drop(key)
        else:
            memory.get(key, NOW_MS)
        shares = {each: memory.share(each) for each in ("reports", "tracks", "cards")}
        assert shares["reports"].bytes <= 8_000
        assert shares["tracks"].bytes <= 12_000
        assert sum(share.bytes for share in shares.values()) + empty_bytes == memory.bytes <= 24_000
        for each, share in shares.items():
            if share.quota is not None:
                assert set(share.quota._turns) == {held for held in memory if held.namespace == each}
    memory.clear()
    assert memory.share("reports").quota is not None
    assert (memory.bytes, memory.share("reports").bytes) == (empty_bytes, 0)
    memory.put(Key("reports", "after"), entry(), NOW_MS)
    assert memory.share("reports").entries == 1


def test_a_place_among_the_turns_takes_what_is_counted_for_it() -> None:
    keys, place = [Key("reports", f"{n}") for n in range(20_000)], Place(1)
    gc.collect()
    tracemalloc.start()
    try:
        quota = Quota(1)
        for key in keys:
            quota.add(key, place)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.6 * LISTED_BYTES <= taken / len(keys) <= 1.2 * LISTED_BYTES
