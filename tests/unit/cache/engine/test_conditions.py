"""What is not known is not called done, and a number is never added to twice or beyond what it holds."""

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.cache.domain.memory import Memory
from services.cache.domain.namespace import NAMESPACES
from services.cache.engine import numbers
from services.cache.engine.conditions import MISSING, Conditions
from services.cache.engine.follower import Follower
from services.cache.engine.link import Link
from services.cache.engine.numbers import Numbers
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from services.chassis.refusal import Refusal
from tests.clocks import ManualClock
from tests.fakes.shared_store import SharedStore

NAMESPACE = NAMESPACES["reports"]
ITEM = Item("key", b"value", 0, ())
ONE, TWO = "6f1c0a52-3f5e-4b6e-9c39-0c1d5f1a7b11", "6f1c0a52-3f5e-4b6e-9c39-0c1d5f1a7b12"
INT64_MAX = 2**63 - 1


async def with_store() -> tuple[SharedStore, Link, Tiers, Conditions]:
    store, link, tally, clock = SharedStore(), Link(configured=True, known=0), Tally(), ManualClock()
    watchers = Watchers(link=link)
    tiers = Tiers(memory=Memory(1_000_000), link=link, store=store, watchers=watchers, tally=tally, clock=clock)
    topics = Topics(store=store, link=link)
    follower = Follower(tiers=tiers, topics=topics, link=link, entries=store, state=store, messages=store, clock=clock)
    await follower.move()
    return store, link, tiers, Conditions(tiers=tiers, link=link, store=store, tally=tally, clock=clock)


async def test_a_conditional_write_that_is_not_answered_is_out_of_time_and_leaves_nothing_in_l1() -> None:
    store, link, tiers, conditions = await with_store()
    await tiers.set(NAMESPACE, [ITEM])
    replaces = iter((False, True))
    store.fail = lambda: next(replaces)
    with pytest.raises(Refusal) as refused:
        await conditions.set(NAMESPACE, ITEM, link.known)
    assert refused.value.reason == Reason.OUT_OF_TIME
    assert len(tiers.memory) == 0
    store.fail = lambda: False
    with pytest.raises(Refusal) as refused:
        await conditions.set(NAMESPACE, ITEM, MISSING)
    assert refused.value.reason == Reason.DEPENDENCY_DOWN, "the link is down, and nothing is sent"


async def test_an_entry_that_changes_again_and_again_is_looked_at_again() -> None:
    store, _, tiers, conditions = await with_store()
    await tiers.set(NAMESPACE, [ITEM._replace(absent=True, value=b"")])
    replace = store.replace
    overtaken = 2

    async def late(*asked: object) -> object:
        nonlocal overtaken
        if overtaken:
            overtaken -= 1
            await tiers.set(NAMESPACE, [ITEM._replace(absent=True, value=b"")])
        return await replace(*asked)  # type: ignore[arg-type] # passed on as they came

    store.replace = late  # type: ignore[method-assign, assignment] # somebody else is quicker
    assert (await conditions.set(NAMESPACE, ITEM, MISSING)).stored


def alone(clock: ManualClock) -> Numbers:
    return Numbers(link=Link(configured=False, known=0), store=None, clock=clock)


@pytest.fixture(params=["alone", "with a store"])
async def numbering(request: pytest.FixtureRequest) -> Numbers:
    if request.param == "alone":
        return alone(ManualClock())
    store, link, _, _ = await with_store()
    return Numbers(link=link, store=store, clock=ManualClock())


async def test_a_number_never_leaves_64_bits(numbering: Numbers) -> None:
    assert (await numbering.increment(NAMESPACE, "n", ONE, INT64_MAX, 0)).value == INT64_MAX
    with pytest.raises(Refusal) as refused:
        await numbering.increment(NAMESPACE, "n", TWO, 1, 0)
    assert [each.field for each in refused.value.violations] == ["delta"]
    assert (await numbering.increment(NAMESPACE, "n", TWO, -1, 0)).value == INT64_MAX - 1


async def test_a_number_alone_lives_from_its_first_increment_on() -> None:
    clock = ManualClock()
    numbering = alone(clock)
    await numbering.increment(NAMESPACE, "n", ONE, 5, 1_000)
    clock.advance_ms(999)
    assert (await numbering.increment(NAMESPACE, "n", TWO, 1, 1_000)).value == 6
    clock.advance_ms(1)
    assert (await numbering.increment(NAMESPACE, "n", ONE, 5, 1_000)) == (5, False)


async def test_numbers_and_their_increments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "NUMBERS_MAX", 1)
    monkeypatch.setattr(numbers, "INCREMENTS_MAX", 1)
    clock = ManualClock()
    numbering = alone(clock)
    await numbering.increment(NAMESPACE, "n", ONE, 5, 1_000)
    for name, request_id in (("n", TWO), ("m", ONE)):
        with pytest.raises(Refusal) as refused:
            await numbering.increment(NAMESPACE, name, request_id, 5, 1_000)
        assert refused.value.reason == Reason.OVERLOADED
    assert (await numbering.increment(NAMESPACE, "n", ONE, 5, 1_000)).replayed
    clock.advance_ms(1_000)
    assert (await numbering.increment(NAMESPACE, "m", ONE, 7, 1_000)).value == 7


async def test_an_increment_that_is_not_answered_can_be_sent_again() -> None:
    store, link, _, _ = await with_store()
    numbering = Numbers(link=link, store=store, clock=ManualClock())
    store.fail = lambda: True
    with pytest.raises(Refusal) as refused:
        await numbering.increment(NAMESPACE, "n", ONE, 5, 0)
    assert refused.value.reason == Reason.OUTCOME_UNKNOWN
    assert not link.is_up
    with pytest.raises(Refusal) as refused:
        await numbering.increment(NAMESPACE, "n", ONE, 5, 0)
    assert refused.value.reason == Reason.DEPENDENCY_DOWN, "nothing was sent"
