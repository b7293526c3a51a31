"""Coherence while the others cannot be heard: strict does not answer from L1, bounded does for a while."""

import pytest

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

BOUND_MS = NAMESPACES["prices"].bound_ms


class One:
    """A replica that has heard of the others until now."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = SharedStore()
        self.link = Link(configured=True, known=0)
        self.tiers = Tiers(
            memory=Memory(10**6),
            link=self.link,
            store=self.store,
            watchers=Watchers(link=self.link),
            tally=Tally(),
            clock=self.clock,
        )
        self.follower = Follower(
            tiers=self.tiers,
            topics=Topics(store=self.store, link=self.link),
            link=self.link,
            entries=self.store,
            state=self.store,
            messages=self.store,
            clock=self.clock,
        )

    async def keeps(self, namespace: str) -> None:
        await self.tiers.set(NAMESPACES[namespace], [Item("a", b"v", 0, ())])

    async def answers(self, namespace: str) -> bool:
        (found,) = await self.tiers.get(NAMESPACES[namespace], ["a"], 0)
        return found.outcome is Outcome.HIT


@pytest.mark.parametrize(
    ("namespace", "after_ms", "answers"),
    [
        ("tracks", 0, False),
        ("prices", BOUND_MS - 100, True),
        ("prices", BOUND_MS + 100, False),
        ("reports", BOUND_MS + 100, True),
    ],
)
async def test_l1_answers_on_for_as_long_as_coherence_allows(namespace: str, after_ms: int, answers: bool) -> None:
    one = One()
    await one.follower.move()
    await one.keeps(namespace)
    one.link.lose("as the test wants it")
    one.clock.advance_ms(after_ms)
    assert await one.answers(namespace) is answers


async def test_the_bound_counts_from_the_last_word_and_not_from_the_loss() -> None:
    one = One()
    await one.follower.move()
    await one.keeps("prices")
    one.clock.advance_ms(BOUND_MS - 500)
    await one.follower.move()
    one.clock.advance_ms(BOUND_MS - 500)
    assert await one.answers("prices"), "the link is up"
    one.link.lose("as the test wants it")
    assert await one.answers("prices")
    one.clock.advance_ms(1_000)
    assert not await one.answers("prices")


async def test_l2_is_asked_alone_only_while_it_can_be_judged() -> None:
    one = One()
    await one.follower.move()
    await one.keeps("tracks")
    one.tiers.memory.clear()
    stored = await one.tiers.stored(NAMESPACES["tracks"], "a")
    assert stored is not None
    assert stored.value == b"v"
    one.link.lose("as the test wants it")
    assert await one.tiers.stored(NAMESPACES["tracks"], "a") is None
