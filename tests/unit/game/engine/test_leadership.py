"""One game leads a track at a time, and says so to nobody but the lease."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.engine.leadership import Leadership
from services.game.engine.renewals import Renewals
from tests.fakes.persist_store import FakePersist
from tests.fakes.seeded_chance import SeededChance
from tests.fakes.virtual_clock import VirtualClock

TTL_MS = 3_000
DOWN = Refusal(Reason.DEPENDENCY_DOWN, "down")


class Game:
    """A game that leads, and remembers when it began and ended to keep the track."""

    def __init__(self, name: str, clock: VirtualClock, store: FakePersist) -> None:
        self.clock = clock
        self.terms: list[tuple[int, int, int | None]] = []
        self.trouble: Exception | None = None
        self.rivals: list[Game] = []
        self.renewals = Renewals(holder=name, ttl_ms=TTL_MS, leases=store, clock=clock, chance=SeededChance())
        self.leadership = Leadership(
            track="t",
            holder=name,
            ttl_ms=TTL_MS,
            leases=store,
            renewals=self.renewals,
            clock=clock,
            chance=SeededChance(),
            keep=self.keep,
            vacated=self.vacated,
        )

    async def vacated(self) -> None:
        for rival in self.rivals:
            rival.leadership.seek()

    async def keep(self, epoch: int) -> None:
        began_ms = self.clock.now_ms()
        self.terms.append((epoch, began_ms, None))
        try:
            if self.trouble is not None:
                trouble, self.trouble = self.trouble, None
                raise trouble
            await asyncio.Event().wait()
        finally:
            self.terms[-1] = (epoch, began_ms, self.clock.now_ms())

    @property
    def epoch(self) -> int | None:
        """The epoch that it leads under now."""
        return self.terms[-1][0] if self.terms and self.terms[-1][2] is None else None

    @asynccontextmanager
    async def leading(self) -> AsyncIterator["asyncio.Task[None]"]:
        self.renewals.start()
        task = asyncio.create_task(self.leadership.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.renewals.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(now_ms=0)


@pytest.fixture
def store(clock: VirtualClock) -> FakePersist:
    return FakePersist(clock)


async def test_the_first_game_leads_and_goes_on_leading(clock: VirtualClock, store: FakePersist) -> None:
    one = Game("one", clock, store)
    async with one.leading():
        await clock.run_until_ms(20 * TTL_MS)

        assert one.terms == [(1, 0, None)]


async def test_another_game_waits_while_the_lease_is_held(clock: VirtualClock, store: FakePersist) -> None:
    one, two = Game("one", clock, store), Game("two", clock, store)
    async with one.leading(), two.leading():
        await clock.run_until_ms(20 * TTL_MS)

        assert (one.epoch, two.terms) == (1, [])


async def test_a_game_that_goes_away_gives_its_lease_back(clock: VirtualClock, store: FakePersist) -> None:
    one, two = Game("one", clock, store), Game("two", clock, store)
    async with one.leading():
        await clock.run_until_ms(10)
        assert one.epoch == 1
    async with two.leading():
        await clock.run_until_ms(10)

        assert two.terms == [(2, 10, None)]


async def test_a_game_that_is_told_of_a_vacancy_leads_at_once(clock: VirtualClock, store: FakePersist) -> None:
    one, two = Game("one", clock, store), Game("two", clock, store)
    one.rivals = [two]
    async with two.leading():
        await store.acquire(request_id="", track="t", holder="one", ttl_ms=1)
        async with one.leading():
            await clock.run_until_ms(4_321)
            assert (one.epoch, two.terms) == (1, [])
        await clock.settle()

        assert two.terms == [(2, 4_321, None)]


async def test_a_nudge_without_a_vacancy_changes_nothing(clock: VirtualClock, store: FakePersist) -> None:
    one, two = Game("one", clock, store), Game("two", clock, store)
    async with one.leading(), two.leading():
        await clock.run_until_ms(1_000)
        for game in (one, two):
            game.leadership.seek()
        await clock.run_until_ms(20 * TTL_MS)

        assert (one.epoch, two.terms) == (1, [])


async def test_whoever_cannot_give_its_lease_back_tells_nobody(clock: VirtualClock, store: FakePersist) -> None:
    one, two = Game("one", clock, store), Game("two", clock, store)
    one.rivals = [two]
    async with two.leading():
        await store.acquire(request_id="", track="t", holder="one", ttl_ms=1)
        async with one.leading():
            await clock.run_until_ms(100)
            store.fail("release", DOWN)
        await clock.settle()
        assert two.terms == []
        await clock.run_until_ms(100 + TTL_MS)

        assert two.epoch == 2


async def test_a_game_that_died_is_followed_when_its_lease_ends(clock: VirtualClock, store: FakePersist) -> None:
    await store.acquire(request_id="", track="t", holder="dead", ttl_ms=TTL_MS)
    two = Game("two", clock, store)
    async with two.leading():
        await clock.run_until_ms(TTL_MS - 1)
        assert two.terms == []
        await clock.run_until_ms(TTL_MS)

        assert two.terms == [(2, TTL_MS, None)]


async def test_a_game_cut_off_from_the_store_stops_before_its_lease_ends(
    clock: VirtualClock, store: FakePersist
) -> None:
    one = Game("one", clock, store)
    async with one.leading():
        await clock.run_until_ms(100)
        store.fail("renew", *[DOWN] * 200)
        await clock.run_until_ms(10 * TTL_MS)

    epoch, began_ms, ended_ms = one.terms[0]
    last_renewal_ms = 0
    assert (epoch, began_ms) == (1, 0)
    assert ended_ms is not None
    assert ended_ms <= last_renewal_ms + TTL_MS


async def test_one_lost_renewal_does_not_end_the_term(clock: VirtualClock, store: FakePersist) -> None:
    one = Game("one", clock, store)
    async with one.leading():
        await clock.run_until_ms(100)
        store.fail("renew", DOWN, DOWN)
        await clock.run_until_ms(5 * TTL_MS)

        assert one.terms == [(1, 0, None)]


async def test_a_stale_epoch_ends_the_term_and_the_game_seeks_again(clock: VirtualClock, store: FakePersist) -> None:
    one = Game("one", clock, store)
    one.trouble = Refusal(Reason.EPOCH_STALE, "over")
    async with one.leading():
        await clock.run_until_ms(2_000)

        assert [term[0] for term in one.terms] == [1, 1]


async def test_a_defect_of_the_keeper_ends_the_term_and_not_the_game(
    clock: VirtualClock, store: FakePersist, logs: list[dict[str, object]]
) -> None:
    one = Game("one", clock, store)
    one.trouble = RuntimeError("broken")
    async with one.leading():
        await clock.run_until_ms(2_000)

        assert one.epoch == 1
    assert "term ended by a defect" in [entry["event"] for entry in logs]


async def test_a_machine_that_slept_past_its_lease_does_not_lead_on(clock: VirtualClock, store: FakePersist) -> None:
    one = Game("one", clock, store)
    async with one.leading():
        await clock.run_until_ms(100)
        clock._now_ms += 10 * TTL_MS  # nobody was woken meanwhile: the machine was stopped
        await store.acquire(request_id="", track="t", holder="two", ttl_ms=TTL_MS)
        await clock.run_for_ms(1_000)

        assert one.epoch is None


async def test_a_lease_that_cannot_be_given_back_does_not_hold_up_the_going(
    clock: VirtualClock, store: FakePersist
) -> None:
    one = Game("one", clock, store)
    store.fail("release", DOWN)
    async with one.leading() as task:
        await clock.run_until_ms(10)
        task.cancel()
        await clock.settle()

        assert task.cancelled()
