"""Sliding: what is read lives on, at every replica, and what is never read ends."""

import pytest

from services.cache.domain.change import Change, Scope
from services.cache.domain.memory import SLIDES_IN_TTL, Memory
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

SESSIONS = NAMESPACES["sessions"]
STEP_MS = SESSIONS.ttl_ms // SLIDES_IN_TTL


class One:
    """A replica on a shared store."""

    def __init__(self, store: SharedStore, clock: ManualClock) -> None:
        self.link = Link(configured=True, known=0)
        self.memory = Memory(10**6)
        self.tiers = Tiers(
            memory=self.memory,
            link=self.link,
            store=store,
            watchers=Watchers(link=self.link),
            tally=Tally(),
            clock=clock,
        )
        self.follower = Follower(
            tiers=self.tiers,
            topics=Topics(store=store, link=self.link),
            link=self.link,
            entries=store,
            state=store,
            messages=store,
            clock=clock,
        )

    async def has(self, key: str = "a", namespace: str = "sessions") -> bool:
        (found,) = await self.tiers.get(NAMESPACES[namespace], [key], 0)
        return found.outcome is Outcome.HIT

    async def write(self, namespace: str = "sessions", ttl_ms: int = 0) -> None:
        await self.tiers.set(NAMESPACES[namespace], [Item("a", b"v", ttl_ms, ())])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def pair(clock: ManualClock) -> tuple[One, One, SharedStore]:
    store = SharedStore()
    one, other = One(store, clock), One(store, clock)
    for each in (one, other):
        await each.follower.move()
    return one, other, store


async def test_what_is_read_lives_on_at_every_replica(pair: tuple[One, One, SharedStore], clock: ManualClock) -> None:
    one, other, _ = pair
    await one.write()
    assert await other.has()
    for _ in range(5):
        clock.advance_ms(SESSIONS.ttl_ms - 1)
        assert await one.has()
    assert await other.has(), "its own copy has ended, and Redis has the one that lives on"


async def test_what_is_not_read_ends(pair: tuple[One, One, SharedStore], clock: ManualClock) -> None:
    one, other, _ = pair
    await one.write()
    clock.advance_ms(SESSIONS.ttl_ms)
    assert not await one.has()
    assert not await other.has()


async def test_a_time_that_the_writer_asked_for_is_not_lengthened(
    pair: tuple[One, One, SharedStore], clock: ManualClock
) -> None:
    one, _, _ = pair
    await one.write(ttl_ms=1_000)
    for _ in range(2):
        clock.advance_ms(499)
        assert await one.has()
    clock.advance_ms(2)
    assert not await one.has()


async def test_no_other_namespace_slides(pair: tuple[One, One, SharedStore], clock: ManualClock) -> None:
    one, _, _ = pair
    await one.write("tracks")
    clock.advance_ms(NAMESPACES["tracks"].ttl_ms * 8 // 10)
    assert await one.has(namespace="tracks")
    clock.advance_ms(NAMESPACES["tracks"].ttl_ms * 2 // 10)
    assert not await one.has(namespace="tracks")


async def test_redis_is_told_now_and_then_and_not_for_every_read(
    pair: tuple[One, One, SharedStore], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _, store = pair
    told = []
    slide = store.slide

    async def count(entries: object, ttl_ms: int) -> None:
        told.append(entries)
        await slide(entries, ttl_ms)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(store, "slide", count)
    await one.write()
    for _ in range(100):
        clock.advance_ms(STEP_MS // 10)
        assert await one.has()
    assert 8 <= len(told) <= 11


async def test_what_was_written_or_removed_elsewhere_is_not_touched(
    pair: tuple[One, One, SharedStore], clock: ManualClock
) -> None:
    one, other, store = pair
    await one.write()
    clock.advance_ms(SESSIONS.ttl_ms - 2)
    await other.write(ttl_ms=1_000)  # one has not heard of it yet
    before = dict(store._entries)
    assert await one.has()
    assert store._entries == before
    await other.tiers.invalidate(Change("sessions", Scope.KEYS, ("a",)))
    clock.advance_ms(SESSIONS.ttl_ms - 2)
    await one.has()
    assert store._entries == {}


async def test_a_store_that_fails_costs_nobody_an_answer(
    pair: tuple[One, One, SharedStore], clock: ManualClock
) -> None:
    one, _, store = pair
    await one.write()
    clock.advance_ms(SESSIONS.ttl_ms - 1)
    store.fail = lambda: True
    assert await one.has()
    assert not one.link.is_up
