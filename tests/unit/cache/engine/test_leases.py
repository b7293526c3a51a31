"""Who is given the lease, who waits, and what becomes of it when somebody leaves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Key
from services.cache.domain.memory import Memory
from services.cache.domain.namespace import NAMESPACES
from services.cache.domain.outcome import Outcome
from services.cache.engine import loads
from services.cache.engine.follower import Follower
from services.cache.engine.leases import Leases
from services.cache.engine.link import Link
from services.cache.engine.tally import Tally
from services.cache.engine.tiers import Item, Tiers
from services.cache.engine.topics import Topics
from services.cache.engine.watchers import Watchers
from tests.clocks import ManualClock
from tests.fakes.shared_store import SharedStore

NAMESPACE = replace(NAMESPACES["reports"], jitter_percent=0)
KEY = Key(NAMESPACE.name, "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A replica; `store` None where it has none."""

    leases: Leases
    tiers: Tiers
    link: Link
    tally: Tally

    async def lease(self, key: str = "key", *, wait_ms: int = 0) -> int:
        return (await self.leases.get(NAMESPACE, key, 0, wait_ms)).token

    async def fill(self, token: int, value: bytes = b"loaded") -> bool:
        return (await self.leases.fill(NAMESPACE, Item("key", value, 0, ()), token)).stored


def part(store: SharedStore | None) -> Part:
    link, tally, clock = Link(configured=store is not None, known=0), Tally(), ManualClock()
    watchers = Watchers(link=link)
    tiers = Tiers(memory=Memory(1_000_000), link=link, store=store, watchers=watchers, tally=tally, clock=clock)
    leases = Leases(tiers=tiers, link=link, store=store, tally=tally, clock=clock)
    return Part(leases=leases, tiers=tiers, link=link, tally=tally)


async def found(store: SharedStore, of: Part) -> None:
    """Let a replica find its store."""
    topics = Topics(store=store, link=of.link)
    follower = Follower(
        tiers=of.tiers, topics=topics, link=of.link, entries=store, state=store, messages=store, clock=ManualClock()
    )
    await follower.move()
    assert of.link.is_up


@pytest.fixture(params=["alone", "with a store"])
async def one(request: pytest.FixtureRequest) -> AsyncIterator[Part]:
    store = SharedStore() if request.param == "with a store" else None
    under_test = part(store)
    if store is not None:
        await found(store, under_test)
    yield under_test
    await under_test.leases.close()


async def test_callers_who_ask_at_once_ask_the_store_once() -> None:
    store = SharedStore()
    under_test = part(store)
    await found(store, under_test)
    asked = 0
    ask = store.lease

    async def counted(key: Key, seen: int, void: int, lease_ms: int, known: int) -> object:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return await ask(key, seen, void, lease_ms, known)

    store.lease = counted  # type: ignore[method-assign, assignment] # a spy
    tokens = await asyncio.gather(*(under_test.lease() for _ in range(100)))
    assert (sum(token > 0 for token in tokens), asked) == (1, 1)
    assert await under_test.lease() == 0
    assert asked == 1, "who has it is known"
    await under_test.leases.close()


async def test_the_lease_of_a_winner_who_has_left_is_for_who_joined(one: Part) -> None:
    callers = [asyncio.ensure_future(one.lease()) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    tokens = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(tokens[0], asyncio.CancelledError)
    assert [isinstance(token, int) and token > 0 for token in tokens[1:]] == [True, False]


@pytest.mark.parametrize("turns", range(8))
async def test_a_lease_whose_only_winner_has_left_is_given_back(one: Part, turns: int) -> None:
    caller = asyncio.ensure_future(one.lease())
    for _ in range(turns):
        await asyncio.sleep(0)
    caller.cancel()
    (token,) = await asyncio.gather(caller, return_exceptions=True)
    if isinstance(token, asyncio.CancelledError):
        assert await one.lease(wait_ms=400) > 0


async def test_who_waits_loads_when_the_lease_has_ended() -> None:
    under_test = part(None)
    short = replace(NAMESPACE, lease_ms=30)
    token = (await under_test.leases.get(short, "key", 0, 0)).token
    second = (await under_test.leases.get(short, "key", 0, 400)).token
    assert 0 < token < second
    assert not await under_test.fill(token)
    assert await under_test.fill(second)


async def test_no_more_wait_than_there_is_room_for(one: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "WAITERS_MAX", 2)
    token = await one.lease()
    waiting = [asyncio.ensure_future(one.leases.get(NAMESPACE, "key", 0, 400)) for _ in range(2)]
    while one.tiers.loads.waiters < 2:  # noqa: ASYNC110 - they only have to begin
        await asyncio.sleep(0)
    refused = await one.leases.get(NAMESPACE, "key", 0, 400)
    assert (refused.found.outcome, refused.retry_after_ms > 0) == (Outcome.MISS, True)
    assert await one.fill(token)
    assert [each.found.value for each in await asyncio.gather(*waiting)] == [b"loaded"] * 2
    assert (one.tiers.loads.waiters, len(one.tiers.loads)) == (0, 0)


async def test_a_waiter_who_leaves_makes_room(one: Part) -> None:
    token = await one.lease()
    waiting = asyncio.ensure_future(one.lease(wait_ms=400))
    while not one.tiers.loads.waiters:  # noqa: ASYNC110 - it only has to begin
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert one.tiers.loads.waiters == 0
    assert await one.fill(token)
    assert len(one.tiers.loads) == 0


async def test_a_replica_alone_gives_only_so_many_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "OWN_MAX", 2)
    under_test = part(None)
    short = replace(NAMESPACE, lease_ms=1)
    assert (await under_test.leases.get(short, "a", 0, 0)).token
    assert await under_test.lease("b")
    await asyncio.sleep(0.005)
    assert await under_test.lease("c"), "what has ended makes room"
    assert not await under_test.lease("d")


@pytest.mark.parametrize(
    "change",
    [
        Change(NAMESPACE.name, Scope.KEYS, ("key",)),
        Change(NAMESPACE.name, Scope.KEYS, ("key",), Mode.EXPIRE),
        Change(NAMESPACE.name, Scope.PATTERN, ("k*",)),
        Change(NAMESPACE.name, Scope.PATTERN, ("k*",), Mode.EXPIRE),
        Change(NAMESPACE.name, Scope.NAMESPACE),
    ],
)
async def test_an_invalidation_ends_a_lease_so_that_the_next_need_not_wait(one: Part, change: Change) -> None:
    token = await one.lease()
    await one.tiers.invalidate(change)
    assert await one.lease() > token
    assert not await one.fill(token)


async def test_a_lease_of_the_store_cannot_be_filled_while_that_is_down_and_one_given_meanwhile_can() -> None:
    store = SharedStore()
    under_test = part(store)
    await found(store, under_test)
    token = await under_test.lease()
    under_test.link.lose("as told")
    assert not await under_test.fill(token)
    under_test.tiers.loads.stir(KEY)
    own = await under_test.lease()
    assert own
    assert await under_test.fill(own)
    assert under_test.link.owed == {NAMESPACE.name}, "its stamp is this replica's own"


async def test_a_fill_that_is_not_answered_is_not_called_stored() -> None:
    store = SharedStore()
    under_test = part(store)
    await found(store, under_test)
    token = await under_test.lease()
    store.fail = lambda: True
    assert not await under_test.fill(token)
    assert not under_test.link.is_up
    assert under_test.tally.namespaces[NAMESPACE.name].fills_refused == 1
