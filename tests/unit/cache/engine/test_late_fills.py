"""Ten thousand interleavings of misses, loads, changes and fills that come late: none brings back what was changed.

The model is the origin itself. Every key has a number there, which rises with every change. Who may load reads the
number, dawdles and fills with it. Once an invalidation is acknowledged, the replica that was told gives out no older
number, and when all is heard nobody does.
"""

import asyncio
import random
from collections import Counter

import pytest

from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Key
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import NAMESPACES
from services.cache.domain.outcome import Outcome
from services.cache.engine.follower import Follower
from services.cache.engine.leases import Leases
from services.cache.engine.link import Link
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from tests.clocks import ManualClock
from tests.fakes.shared_store import SharedStore

NAMESPACE = NAMESPACES["tracks"]
KEYS = ("a/1", "a/2", "b/1")
TAGS = {"a/1": ("x",), "a/2": ("x", "y"), "b/1": ("y",)}
CHANGES = [
    *(Change(NAMESPACE.name, Scope.KEYS, (key,), mode) for key in KEYS for mode in (Mode.DELETE, Mode.EXPIRE)),
    *(Change(NAMESPACE.name, Scope.TAG, (tag,), mode) for tag in "xy" for mode in (Mode.DELETE, Mode.EXPIRE)),
    *(Change(NAMESPACE.name, Scope.PATTERN, ("a/*",), mode) for mode in (Mode.DELETE, Mode.EXPIRE)),
    *(Change(NAMESPACE.name, Scope.NAMESPACE, (), mode) for mode in (Mode.DELETE, Mode.EXPIRE)),
]
REPLICAS = 2
BATCHES, SEEDS = 10, 1_000


def covered(change: Change) -> list[str]:
    match change.scope:
        case Scope.KEYS:
            return list(change.names)
        case Scope.TAG:
            return [key for key in KEYS if change.names[0] in TAGS[key]]
        case Scope.PATTERN:
            return [key for key in KEYS if key.startswith("a/")]
        case _:
            return list(KEYS)


class World:
    """An origin, replicas on one store in front of it, and what happened."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.store = SharedStore(self.chance)
        self.origin = dict.fromkeys(KEYS, 0)
        self.floors = [dict.fromkeys(KEYS, 0) for _ in range(REPLICAS)]
        self.happened: Counter[str] = Counter()
        clock = ManualClock()
        self.tiers: list[Tiers] = []
        self.leases: list[Leases] = []
        self.followers: list[Follower] = []
        for _ in range(REPLICAS):
            link, tally = Link(configured=True, known=0), Tally()
            watchers = Watchers(link=link)
            tiers = Tiers(
                memory=Memory(1_000_000), link=link, store=self.store, watchers=watchers, tally=tally, clock=clock
            )
            self.tiers.append(tiers)
            self.leases.append(Leases(tiers=tiers, link=link, store=self.store, tally=tally, clock=clock))
            self.followers.append(
                Follower(
                    tiers=tiers,
                    topics=Topics(store=self.store, link=link),
                    link=link,
                    entries=self.store,
                    state=self.store,
                    messages=self.store,
                    clock=clock,
                )
            )

    async def dawdle(self) -> None:
        for _ in range(self.chance.randrange(9)):
            await asyncio.sleep(0)

    async def want(self) -> None:
        """Miss, load, and fill late; or give back, or die."""
        replica, key = self.chance.randrange(REPLICAS), self.chance.choice(KEYS)
        floor = self.floors[replica][key]
        wanted = await self.leases[replica].get(NAMESPACE, key, 0, self.chance.choice((0, 0, 0, 0, 0, 0, 0, 1)))
        self.check(key, wanted.found.outcome, wanted.found.value, floor)
        if not wanted.token:
            return
        value = b"%d" % self.origin[key]
        await self.dawdle()
        match self.chance.randrange(8):
            case 0:
                await self.leases[replica].release(Key(NAMESPACE.name, key), wanted.token)
            case 1:
                self.store.end_lease(Key(NAMESPACE.name, key))
            case _:
                item = Item(key, value, 0, TAGS[key])
                filled = await self.leases[replica].fill(NAMESPACE, item, wanted.token)
                self.happened["filled" if filled.stored else "refused"] += 1

    async def read(self) -> None:
        replica, key = self.chance.randrange(REPLICAS), self.chance.choice(KEYS)
        floor = self.floors[replica][key]
        (found,) = await self.tiers[replica].get(NAMESPACE, [key], 0)
        self.check(key, found.outcome, found.value, floor)

    async def change(self) -> None:
        replica, change = self.chance.randrange(REPLICAS), self.chance.choice(CHANGES)
        for key in covered(change):
            self.origin[key] += 1
        reached = {key: self.origin[key] for key in covered(change)}
        await self.tiers[replica].invalidate(change)
        floor = self.floors[replica]
        floor.update({key: max(floor[key], number) for key, number in reached.items()})

    def check(self, key: str, outcome: Outcome, value: bytes, floor: int) -> None:
        assert outcome is not Outcome.STALE, "nobody asked for stale entries"
        if outcome is Outcome.HIT:
            assert int(value) >= floor, f"{key} is {floor} since before the read began, and was read as {int(value)}"
            self.happened["hits"] += 1

    async def caller(self) -> None:
        for _ in range(3):
            await self.chance.choice((self.want, self.want, self.read, self.change))()
            await self.dawdle()

    async def follow(self, follower: Follower, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await follower.move()
            await self.dawdle()


async def live(seed: int) -> Counter[str]:
    world = World(seed)
    for follower in world.followers:
        await follower.move()
    if seed % 4 == 3:
        world.store.fail = lambda: world.chance.random() < 0.05
    stop = asyncio.Event()
    following = [asyncio.ensure_future(world.follow(follower, stop)) for follower in world.followers]
    await asyncio.gather(*(world.caller() for _ in range(3)))
    stop.set()
    await asyncio.gather(*following)
    world.store.fail = lambda: False
    for _ in range(4):
        for follower in world.followers:
            await follower.move()
    for replica in range(REPLICAS):
        for key in KEYS:
            (found,) = await world.tiers[replica].get(NAMESPACE, [key], 0)
            world.check(key, found.outcome, found.value, max(floor[key] for floor in world.floors))
    for leases in world.leases:
        await leases.close()
    return world.happened


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_no_fill_brings_back_what_was_changed_after_its_lease(batch: int) -> None:
    happened: Counter[str] = Counter()
    for seed in range(batch * SEEDS, (batch + 1) * SEEDS):
        try:
            happened += await live(seed)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
    assert all(happened[each] > SEEDS // 10 for each in ("filled", "refused", "hits")), happened
