"""The canary on replicas that share a store: silent where all is well, and not where somebody is lied to."""

from services.cache.domain.entry import Key
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import CANARY
from services.cache.engine.canary import CANARY_TOPIC, Canary
from services.cache.engine.follower import Follower
from services.cache.engine.link import Link
from services.cache.engine.mailbox import Mailbox
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from tests.clocks import ManualClock
from tests.fakes.shared_store import SharedStore


class One:
    """A replica with a canary, whose follower moves when the test wants it."""

    def __init__(self, store: SharedStore, name: str, clock: ManualClock) -> None:
        self.name = name
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
        self.topics = Topics(store=store, link=self.link)
        self.follower = Follower(
            tiers=self.tiers,
            topics=self.topics,
            link=self.link,
            entries=store,
            state=store,
            messages=store,
            clock=clock,
        )
        self.canary = Canary(
            tiers=self.tiers, topics=self.topics, link=self.link, clock=clock, replica=name, interval_s=1
        )

    async def hear_all(self, mailbox: Mailbox) -> None:
        while mailbox._events:
            await self.canary.hear(await mailbox.take())

    def copy(self, writer: "One") -> "bytes | None":
        held = self.memory._order.find(Key(CANARY.name, writer.name))
        return None if held is None else held.entry.value


async def test_replicas_that_are_told_of_changes_read_nothing_stale() -> None:
    store, clock = SharedStore(), ManualClock()
    one, other = (One(store, name, clock) for name in ("one", "other"))
    with other.topics.subscribe(CANARY_TOPIC, None) as mailbox:
        await one.follower.move()
        for _ in range(2):
            await other.follower.move()
        for _ in range(5):
            await one.canary.write()
            await other.follower.move()
            await other.hear_all(mailbox)
    assert (other.canary.reads, other.canary.stale_reads) == (10, 0)
    assert other.copy(one) is not None, "what it reads next could be an old copy"


async def test_a_replica_that_was_not_told_of_a_change_counts_a_stale_read() -> None:
    store, clock = SharedStore(), ManualClock()
    one, deaf = (One(store, name, clock) for name in ("one", "deaf"))
    with deaf.topics.subscribe(CANARY_TOPIC, None) as mailbox:
        await one.follower.move()
        for _ in range(2):
            await deaf.follower.move()
        await one.canary.write()
        await deaf.follower.move()
        await deaf.hear_all(mailbox)
        deaf.tiers.apply = lambda change, stamp: None  # type: ignore[method-assign] # the defect to be found
        await one.canary.write()
        await deaf.follower.move()
        await deaf.hear_all(mailbox)
    assert (deaf.canary.reads, deaf.canary.stale_reads) == (4, 1), "L1 lied, L2 did not"


async def test_a_store_that_went_back_in_time_is_noticed_at_l2() -> None:
    store, clock = SharedStore(), ManualClock()
    one = One(store, "one", clock)
    with one.topics.subscribe(CANARY_TOPIC, None) as mailbox:
        for _ in range(2):
            await one.follower.move()
        await one.canary.write()
        before = dict(store._entries)
        await one.canary.write()
        store._entries = before
        await one.follower.move()
        await one.hear_all(mailbox)
    assert one.canary.stale_reads == 1


async def test_the_lag_is_the_time_until_its_own_word_comes_back() -> None:
    store, clock = SharedStore(), ManualClock()
    one = One(store, "one", clock)
    heard: list[float] = []
    one.canary.on_lag = heard.append
    assert one.canary.lag_ms(0.5) == 0
    with one.topics.subscribe(CANARY_TOPIC, None) as mailbox:
        for _ in range(2):
            await one.follower.move()
        for late_ms in (1, 2, 30):
            await one.canary.write()
            clock.advance_ms(late_ms)
            await one.follower.move()
            await one.hear_all(mailbox)
    assert [round(1_000 * lag_s) for lag_s in heard] == [1, 2, 30]
    assert (round(one.canary.lag_ms(0.5)), round(one.canary.lag_ms(0.99))) == (2, 30)


async def test_nothing_is_written_or_told_while_the_store_is_down() -> None:
    store = SharedStore()
    one = One(store, "one", ManualClock())
    await one.canary.write()
    await one.follower.move()
    store.fail = lambda: True
    await one.canary.write()
    store.fail = lambda: False
    assert store._messages.get(CANARY_TOPIC, []) == []
    await one.canary.write()
    assert store._messages.get(CANARY_TOPIC, []) == [], "not before the follower has found it again"
    await one.follower.move()
    await one.canary.write()
    assert len(store._messages[CANARY_TOPIC]) == 1


async def test_what_a_later_version_tells_is_passed_over() -> None:
    store = SharedStore()
    one = One(store, "one", ManualClock())
    with one.topics.subscribe(CANARY_TOPIC, None) as mailbox:
        for _ in range(2):
            await one.follower.move()
        for payload in (b"\xff", b"{}", b'["one"]', b'["one", "two"]'):
            await one.topics.publish(CANARY_TOPIC, payload, "")
        await one.follower.move()
        await one.hear_all(mailbox)
    assert one.canary.reads == 0
