import asyncio

from services.cache.domain.entry import Entry, Key
from services.cache.domain.memory import Memory
from services.cache.engine.census import LARGEST_MAX, SLICE, largest

NOW_MS = 1_800_000_000_000


def put(memory: Memory, namespace: str, key: str, size: int) -> None:
    memory.put(Key(namespace, key), Entry(1, 1, NOW_MS, NOW_MS + 1, NOW_MS + 1, (), bytes(size)), NOW_MS)


async def test_the_largest_entries_of_each_namespace_are_told_the_largest_first() -> None:
    memory = Memory(10_000_000)
    for n in range(30):
        put(memory, "rounds", f"{n}", 10 * n)
    put(memory, "tracks", "only", 5)
    found = await largest(memory)
    assert [size.key for size in found["rounds"]] == [f"{n}" for n in range(29, 29 - LARGEST_MAX, -1)]
    assert found["rounds"][0].bytes == memory.size(Key("rounds", "29"))
    assert [size.key for size in found["tracks"]] == ["only"]


async def test_others_are_served_meanwhile_and_what_goes_meanwhile_is_left_out() -> None:
    memory = Memory(100_000_000)
    for n in range(2 * SLICE):
        put(memory, "rounds", f"{n}", 10)
    counting = asyncio.ensure_future(largest(memory))
    await asyncio.sleep(0)
    memory.clear()
    found = await counting
    assert len(found["rounds"]) == LARGEST_MAX
    assert {int(size.key) for size in found["rounds"]} <= set(range(SLICE))
    assert await largest(memory) == {}
