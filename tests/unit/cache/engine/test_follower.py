"""The follower on a store in memory, moved by hand."""

from dataclasses import dataclass

import pytest

from services.cache.domain.change import CHANGES_TOPIC, Change, Scope
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import NAMESPACES
from services.cache.domain.position import Position
from services.cache.engine.follower import STUCK_S, Follower
from services.cache.engine.link import Link, LinkState
from services.cache.engine.mailbox import Event, Kind, Mailbox
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from tests.clocks import ManualClock
from tests.fakes.shared_store import SharedStore

TRACKS = NAMESPACES["tracks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    tiers: Tiers
    topics: Topics
    link: Link
    follower: Follower

    async def value(self, key: str) -> bytes:
        (found,) = await self.tiers.get(TRACKS, [key], 0)
        return found.value

    async def set(self, key: str, value: bytes) -> None:
        await self.tiers.set(TRACKS, [Item(key, value, 0, ())])


def replica_on(store: SharedStore, clock: ManualClock) -> Replica:
    link = Link(configured=True, known=0)
    tiers = Tiers(
        memory=Memory(10**6), link=link, store=store, watchers=Watchers(link=link), tally=Tally(), clock=clock
    )
    topics = Topics(store=store, link=link)
    follower = Follower(tiers=tiers, topics=topics, link=link, entries=store, state=store, messages=store, clock=clock)
    return Replica(tiers=tiers, topics=topics, link=link, follower=follower)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.fixture
async def one(store: SharedStore, clock: ManualClock) -> Replica:
    replica = replica_on(store, clock)
    await replica.follower.move()
    return replica


@pytest.fixture
async def other(store: SharedStore, clock: ManualClock) -> Replica:
    replica = replica_on(store, clock)
    await replica.follower.move()
    return replica


async def all_of(mailbox: Mailbox) -> list[Event]:
    mailbox.beat(Position(-1, -1))  # marks the end of what waits, in an empty mailbox at once
    events = []
    while mailbox._events:
        events.append(await mailbox.take())
    return [event for event in events if event.position.epoch >= 0]


async def test_one_look_at_the_store_takes_the_link_up(store: SharedStore, clock: ManualClock) -> None:
    replica = replica_on(store, clock)
    store.fail = lambda: True
    await replica.follower.move()
    states = [replica.link.state]
    store.fail = lambda: False
    await replica.follower.move()
    states.append(replica.link.state)
    assert states == [LinkState.DOWN, LinkState.UP]


async def test_a_change_of_another_replica_is_taken_in(one: Replica, other: Replica) -> None:
    await one.set("key", b"old")
    assert await other.value("key") == b"old"
    await one.set("key", b"new")
    await other.follower.move()
    assert await other.value("key") == b"new"
    await one.tiers.invalidate(Change("tracks", Scope.NAMESPACE))
    await other.follower.move()
    assert await other.value("key") == b""


async def test_a_replica_that_was_down_and_missed_nothing_keeps_its_entries(store: SharedStore, one: Replica) -> None:
    await one.set("key", b"value")
    await one.follower.move()
    one.link.lose("for a test")
    await one.follower.move()
    assert len(one.tiers.memory) == 1
    store.lose_memory()
    assert await one.value("key") == b"value"


async def test_a_replica_that_missed_a_change_begins_anew(one: Replica, other: Replica) -> None:
    await one.set("key", b"value")
    await one.follower.move()
    one.link.lose("for a test")
    await other.set("another", b"value")
    await one.follower.move()
    assert len(one.tiers.memory) == 0


async def test_a_gap_in_the_changes_makes_a_replica_begin_anew(clock: ManualClock) -> None:
    store = SharedStore(kept=3)
    one, other = replica_on(store, clock), replica_on(store, clock)
    await one.follower.move()
    await other.follower.move()
    await one.set("key", b"value")
    await one.follower.move()
    for n in range(5):
        await other.set(f"{n}", b"")
    await one.follower.move()
    assert one.link.in_doubt
    assert await one.value("key") == b"", "while in doubt nothing is answered that could be out of date"
    await one.follower.move()
    assert not one.link.in_doubt
    assert len(one.tiers.memory) == 0
    assert await one.value("key") == b"value"


async def test_a_change_that_cannot_be_read_makes_a_replica_begin_anew(store: SharedStore, one: Replica) -> None:
    await one.set("key", b"value")
    await one.follower.move()
    await store.publish(CHANGES_TOPIC, b"of a later version", "", 0)
    await one.follower.move()
    await one.follower.move()
    assert len(one.tiers.memory) == 0
    assert one.link.is_trusted


async def test_debts_are_paid_before_the_link_is_up(store: SharedStore, one: Replica, other: Replica) -> None:
    await one.set("key", b"old")
    store.fail = lambda: True
    await one.tiers.invalidate(Change("tracks", Scope.KEYS, ("key",)))
    assert one.link.owed == {"tracks"}
    await one.follower.move()
    assert (one.link.owed, one.link.state) == ({"tracks"}, LinkState.DOWN)
    store.fail = lambda: False
    await one.follower.move()
    assert (one.link.owed, one.link.state) == (set(), LinkState.UP)
    await other.follower.move()
    assert await other.value("key") == b""


async def test_a_store_that_lost_its_memory_is_noticed_without_anybody_asking(store: SharedStore, one: Replica) -> None:
    epoch = one.link.incarnation
    store.lose_memory()
    await one.follower.move()
    await one.follower.move()
    assert one.link.incarnation > epoch
    assert one.link.is_trusted


async def test_a_subscriber_hears_where_its_topic_stands_then_messages_then_heartbeats(
    store: SharedStore, one: Replica
) -> None:
    with one.topics.subscribe("t", None) as mailbox:
        assert await all_of(mailbox) == []
        await one.follower.move()
        told = await one.topics.publish("t", b"1", "id")
        await one.follower.move()
        await one.follower.move()
        kinds = [(event.kind, event.position) for event in await all_of(mailbox)]
        assert kinds[0] == (Kind.HEARTBEAT, Position(0, 0))
        assert (Kind.MESSAGE, told) in kinds
        await one.follower.move()
        assert (await mailbox.take()) == Event(Kind.HEARTBEAT, told)


async def test_a_topic_without_subscribers_is_followed_no_more(one: Replica) -> None:
    with one.topics.subscribe("t", None):
        await one.follower.move()
        assert "t" in one.follower._cursors
    await one.follower.move()
    assert "t" not in one.follower._cursors
    assert list(one.topics.followed) == []


async def test_a_subscriber_that_left_before_it_was_admitted_stays_away(one: Replica) -> None:
    with one.topics.subscribe("t", None):
        (newcomer,) = one.topics.newcomers
    one.topics.admit(newcomer, [])
    assert list(one.topics.followed) == []


async def test_a_follower_that_does_not_move_is_not_alive(one: Replica, clock: ManualClock) -> None:
    assert not one.follower.alive(), "it has not been started"
    await one.follower.start()
    assert one.follower.alive()
    clock.advance_ms(round(STUCK_S * 1_000) + 1)
    assert not one.follower.alive()
    await one.follower.close()


async def test_a_defect_takes_the_link_down_and_is_over_with_it(
    store: SharedStore, one: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "follow", broken)
    await one.follower.move()
    assert one.link.state is LinkState.DOWN
    monkeypatch.undo()
    await one.follower.move()
    assert one.link.is_trusted
