"""All leases of a game are renewed in one call, and each ends by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.engine.renewals import LEASES_IN_CALL, RENEWALS_PER_LEASE, Renewals
from tests.fakes.persist_store import FakePersist
from tests.fakes.seeded_chance import SeededChance
from tests.fakes.virtual_clock import VirtualClock

TTL_MS = 3_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(now_ms=0)


@pytest.fixture
def store(clock: VirtualClock) -> FakePersist:
    return FakePersist(clock)


@asynccontextmanager
async def keeping(
    tracks: Iterable[str], clock: VirtualClock, store: FakePersist
) -> AsyncIterator[dict[str, "asyncio.Task[None]"]]:
    """The terms of a game that has taken the leases of tracks."""
    renewals = Renewals(holder="game", ttl_ms=TTL_MS, leases=store, clock=clock, chance=SeededChance())
    ends_at_s = clock.monotonic_s() + TTL_MS / 1_000
    terms = {}
    for track in tracks:
        epoch = await store.acquire(request_id="", track=track, holder="game", ttl_ms=TTL_MS)
        terms[track] = asyncio.create_task(renewals.keep(track, epoch, ends_at_s))
    await clock.settle()
    store.calls.clear()
    renewals.start()
    try:
        yield terms
    finally:
        for term in terms.values():
            term.cancel()
        await asyncio.gather(*terms.values(), return_exceptions=True)
        await renewals.close()


def over(terms: dict[str, "asyncio.Task[None]"]) -> list[str]:
    return [track for track, term in terms.items() if term.done()]


@pytest.mark.parametrize(("tracks", "calls"), [(1, 1), (LEASES_IN_CALL, 1), (LEASES_IN_CALL + 1, 2)])
async def test_however_many_leases_there_are_they_are_renewed_together(
    clock: VirtualClock, store: FakePersist, tracks: int, calls: int
) -> None:
    async with keeping((f"t{n}" for n in range(tracks)), clock, store) as terms:
        await clock.run_until_ms(3 * TTL_MS - 1)

        assert over(terms) == []
        assert store.calls == ["renew"] * (3 * RENEWALS_PER_LEASE * calls)


async def test_without_a_lease_there_is_no_call(clock: VirtualClock, store: FakePersist) -> None:
    async with keeping((), clock, store):
        await clock.run_until_ms(TTL_MS)

        assert store.calls == []


async def test_a_lease_that_another_has_ends_at_once_and_the_others_go_on(
    clock: VirtualClock, store: FakePersist
) -> None:
    async with keeping(("lost", "kept"), clock, store) as terms:
        await store.release(request_id="", track="lost", holder="game", epoch=1)
        await store.acquire(request_id="", track="lost", holder="another", ttl_ms=TTL_MS)
        await clock.run_until_ms(TTL_MS // RENEWALS_PER_LEASE)
        assert over(terms) == ["lost"]
        await clock.run_until_ms(5 * TTL_MS)

        assert over(terms) == ["lost"]


async def test_leases_that_cannot_be_renewed_end_when_they_said(clock: VirtualClock, store: FakePersist) -> None:
    async with keeping(("one", "two"), clock, store) as terms:
        store.fail("renew", *[Refusal(Reason.DEPENDENCY_DOWN, "down")] * 100)
        await clock.run_until_ms(TTL_MS - 1)
        assert over(terms) == []
        await clock.run_until_ms(TTL_MS)

        assert over(terms) == ["one", "two"]


async def test_a_defect_is_logged_and_renewing_goes_on(
    clock: VirtualClock, store: FakePersist, logs: list[dict[str, object]]
) -> None:
    async with keeping(("t",), clock, store) as terms:
        store.fail("renew", RuntimeError("broken"))
        await clock.run_until_ms(5 * TTL_MS)

        assert over(terms) == []
    assert "ended by a defect" in [entry["event"] for entry in logs]
