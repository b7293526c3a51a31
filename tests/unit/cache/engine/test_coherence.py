"""Replicas, a store that fails when chance wants it, and calls that overtake each other: nothing that was outdated
before a read began is ever read by the replica that was told, and when all is well again, by nobody.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import NAMESPACES
from services.cache.domain.outcome import Outcome
from services.cache.engine.follower import Follower
from services.cache.engine.link import Link
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from tests.clocks import ManualClock
from tests.fakes.shared_store import SharedStore

NAMESPACE = NAMESPACES["tracks"]
KEYS = ("a/1", "a/2", "b/1")
TAGS = ("x", "y")
OPERATIONS = 120
CALLERS = 6


@dataclass(slots=True)
class Written:
    """A value that was set, and the instant when that was done; None while it is under way."""

    key: str
    tags: Sequence[str]
    done_at: int | None = None


@dataclass(slots=True)
class Outdating:
    """Something that outdates values: an invalidation, or another set."""

    replica: int
    change: Change
    begun_at: int
    done_at: int | None = None

    @property
    def expires(self) -> bool:
        return self.change.mode is Mode.EXPIRE


@dataclass(slots=True)
class History:
    """What was done, by a clock that only counts."""

    now: int = 0
    written: dict[bytes, Written] = field(default_factory=dict)
    outdatings: list[Outdating] = field(default_factory=list)

    def tick(self) -> int:
        self.now += 1
        return self.now

    def outdated(self, value: bytes, read_begun_at: int, by_replica: int | None, *, stale: bool) -> Outdating | None:
        """Who outdated a value after it was set and before a read of it began; `by_replica` None asks for anybody.

        A value that was given as stale may have been expired.
        """
        written = self.written[value]
        for each in self.outdatings:
            if (by_replica is not None and each.replica != by_replica) or (stale and each.expires):
                continue
            if each.done_at is None or each.done_at > read_begun_at or written.done_at is None:
                continue
            if written.done_at < each.begun_at and covers(each.change, written):
                return each
        return None


def covers(change: Change, written: Written) -> bool:
    match change.scope:
        case Scope.KEYS:
            return written.key in change.names
        case Scope.TAG:
            return change.names[0] in written.tags
        case Scope.PATTERN:
            return written.key.startswith(change.names[0].rstrip("*"))
        case _:
            return True


class World:
    """Replicas on one store."""

    def __init__(self, seed: int, replicas: int, *, kept: int) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.store = SharedStore(self.chance, kept=kept)
        self.history = History()
        self.links = [Link(configured=True, known=0) for _ in range(replicas)]
        self.tiers = [
            Tiers(
                memory=Memory(10_000_000),
                link=link,
                store=self.store,
                watchers=Watchers(link=link),
                tally=Tally(),
                clock=self.clock,
            )
            for link in self.links
        ]
        self.followers = [
            Follower(
                tiers=tiers,
                topics=Topics(store=self.store, link=link),
                link=link,
                entries=self.store,
                state=self.store,
                messages=self.store,
                clock=self.clock,
            )
            for tiers, link in zip(self.tiers, self.links, strict=True)
        ]

    async def follow(self, stop: asyncio.Event) -> None:
        """Let every follower move, again and again, at its own pace."""

        async def run(follower: Follower) -> None:
            while not stop.is_set():
                await follower.move()
                for _ in range(self.chance.randrange(6)):
                    await asyncio.sleep(0)

        await asyncio.gather(*(run(follower) for follower in self.followers))

    async def operate(self) -> None:
        for _ in range(OPERATIONS // CALLERS):
            replica = self.chance.randrange(len(self.tiers))
            match self.chance.randrange(12):
                case 0 | 1 | 2:
                    await self.set(replica)
                case 3:
                    await self.outdate(
                        replica, Change(NAMESPACE.name, Scope.KEYS, (self.chance.choice(KEYS),), self.mode())
                    )
                case 4:
                    await self.outdate(
                        replica, Change(NAMESPACE.name, Scope.TAG, (self.chance.choice(TAGS),), self.mode())
                    )
                case 5:
                    await self.outdate(
                        replica, Change(NAMESPACE.name, Scope.PATTERN, (self.chance.choice("ab") + "*",), self.mode())
                    )
                case 6:
                    await self.flush_or_clear(replica)
                case _:
                    await self.read(replica, of_anybody=False)
            await asyncio.sleep(0)

    def mode(self) -> Mode:
        return self.chance.choice((Mode.DELETE, Mode.EXPIRE))

    async def set(self, replica: int) -> None:
        key, tags = self.chance.choice(KEYS), (self.chance.choice(TAGS),)
        value = b"%d" % len(self.history.written)
        written = self.history.written[value] = Written(key, tags)
        outdating = Outdating(replica, Change(NAMESPACE.name, Scope.KEYS, (key,)), self.history.tick())
        self.history.outdatings.append(outdating)
        await self.tiers[replica].set(NAMESPACE, [Item(key, value, 0, tags)])
        written.done_at = outdating.done_at = self.history.tick()

    async def outdate(self, replica: int, change: Change) -> None:
        outdating = Outdating(replica, change, self.history.tick())
        self.history.outdatings.append(outdating)
        await self.tiers[replica].invalidate(change)
        outdating.done_at = self.history.tick()

    async def flush_or_clear(self, replica: int) -> None:
        everything = Change(NAMESPACE.name, Scope.NAMESPACE)
        if self.chance.random() < 0.3:
            await self.outdate(replica, everything._replace(mode=Mode.EXPIRE))
            return
        if self.chance.random() < 0.5:
            await self.outdate(replica, everything)
            return
        outdating = Outdating(replica, everything, self.history.tick())
        self.history.outdatings.append(outdating)
        await self.tiers[replica].flush()
        outdating.done_at = self.history.tick()

    async def read(self, replica: int, *, of_anybody: bool) -> None:
        key = self.chance.choice(KEYS)
        begun_at = self.history.tick()
        max_stale_ms = self.chance.choice((0, 2**62))
        (found,) = await self.tiers[replica].get(NAMESPACE, [key], max_stale_ms)
        if found.outcome is Outcome.MISS:
            return
        stale = found.outcome is Outcome.STALE
        assert not stale or max_stale_ms, "who takes fresh entries only was given a stale one"
        assert self.history.written[found.value].key == key, "the value of another key"
        by = self.history.outdated(found.value, begun_at, None if of_anybody else replica, stale=stale)
        assert by is None, f"replica {replica} read {found.value!r} of {key}, outdated by {by}"

    async def settle(self) -> None:
        """Let everybody find the store and hear the last word."""
        for _ in range(20):
            for follower in self.followers:
                await follower.move()
        assert all(link.is_up and not link.in_doubt for link in self.links)


FAULTS = ("none", "calls fail", "memory is lost", "changes are missed", "all of them")


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("batch", range(4))
async def test_nothing_outdated_is_read_whatever_overtakes_what(faults: str, batch: int) -> None:
    for seed in range(batch * 25, batch * 25 + 25):
        try:
            await live(seed, faults)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}, faults {faults!r}: {broken}") from broken


async def live(seed: int, faults: str) -> None:
    every = faults == FAULTS[-1]
    world = World(seed, replicas=3, kept=5 if every or faults == "changes are missed" else 10_000)
    await world.settle()
    if every or faults == "calls fail":
        world.store.fail = lambda: world.chance.random() < 0.1
    stop = asyncio.Event()
    following = asyncio.ensure_future(world.follow(stop))
    losing = asyncio.ensure_future(lose_memory(world, stop, often=every or faults == "memory is lost"))
    await asyncio.gather(*(world.operate() for _ in range(CALLERS)))
    stop.set()
    await asyncio.gather(following, losing)
    world.store.fail = lambda: False
    await world.settle()
    for _ in range(4):
        for replica in range(len(world.tiers)):
            await world.read(replica, of_anybody=True)


async def lose_memory(world: World, stop: asyncio.Event, *, often: bool) -> None:
    while often and not stop.is_set():
        for _ in range(60):
            await asyncio.sleep(0)
        world.store.lose_memory()
