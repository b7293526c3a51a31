"""persist or PostgreSQL is killed at every named crash point: nothing acknowledged is lost, nothing is doubled.

At the point persist either dies, or stops while PostgreSQL is killed and comes back, and then goes on. Clients insist.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from furlong.common.v1.round_pb2 import Round

from tests.crashing import BACK_AFTER_RECOVERY_S, BACK_S, Site, channel_to
from tests.persisting import order, verdicts

CLIENTS = 4
TICKETS = 5
KILLED = pytest.mark.parametrize("killed", ["persist", "PostgreSQL"])


class Disaster:
    """What is killed at a crash point, and how long it took until the service answered again."""

    def __init__(self, site: Site, killed: str, point: str, nth: int) -> None:
        self.crash_at = f"{point}:{nth}" if killed == "persist" else f"{point}:{nth}:stop"
        self._site = site
        self._killed = killed
        self._healed_s = 0.0

    async def strike(self) -> None:
        """Wait until persist is at its point, and kill."""
        if self._killed == "persist":
            await self._site.persist.crashed()
        else:
            await self._site.persist.stopped()
            await self._site.kill_postgres()

    async def heal(self) -> None:
        """Bring back what was killed."""
        self._healed_s = time.monotonic()
        if self._killed == "persist":
            await self._site.persist.start()
        else:
            await self._site.start_postgres()
            os.kill(self._site.persist.pid, signal.SIGCONT)

    def check_time(self) -> None:
        """The service answers now: that was soon enough."""
        back_s = time.monotonic() - self._healed_s
        most_s = BACK_S if self._killed == "persist" else BACK_AFTER_RECOVERY_S
        print(f"{self.crash_at}, {self._killed} killed: answers {back_s:.2f} s later, at most {most_s}")
        assert back_s <= most_s


@asynccontextmanager
async def running(site: Site, crash_at: str) -> AsyncIterator[None]:
    """persist with its planned crash, and the world."""
    await site.persist.start(crash_at)
    async with channel_to(site.persist.address) as channel:
        await site.found(channel)
        yield


# ---- placing ---------------------------------------------------------------------------------------------------------

PLACING = {
    # where it dies        what is stored of the batch by then
    "placing.queued":      False,
    "placing.gate_passed": False,
    "placing.read":        False,
    "placing.decided":     False,
    "placing.written":     False,
    "placing.committed":   True,
}  # fmt: skip


@KILLED
@pytest.mark.parametrize(("point", "is_stored"), PLACING.items(), ids=PLACING)
async def test_a_crash_while_placing_loses_and_doubles_nothing(
    site: Site, point: str, is_stored: bool, killed: str
) -> None:
    disaster = Disaster(site, killed, point, 2)
    async with running(site, disaster.crash_at):
        player = await site.world.account(1_000_000)
        round_id = (await site.world.open()).round.round_id
        before = [order(player, 7) for _ in range(TICKETS)]
        assert verdicts(await site.place("before", round_id, *before)) == ["ACCEPTED"] * TICKETS

        orders = [[order(player, 7, runner=1 + n % 3) for n in range(TICKETS)] for _ in range(CLIENTS)]
        placing = [asyncio.create_task(site.place(f"client-{n}", round_id, *each)) for n, each in enumerate(orders)]
        await disaster.strike()
        if killed == "persist":
            assert (len(await site.stored_tickets()) > TICKETS) is is_stored
        await disaster.heal()
        probe = await site.place("probe", round_id, order(player, 7))
        disaster.check_time()

        told = [await each for each in placing]
        assert {name.rstrip("*") for each in [*told, probe] for name in verdicts(each)} == {"ACCEPTED"}
        assert verdicts(await site.place("again", round_id, *before, *orders[0])) == ["ACCEPTED*"] * 2 * TICKETS
        await site.settle(round_id)
    assert await site.findings() == []


# ---- the lock --------------------------------------------------------------------------------------------------------

LOCK = {
    # where it dies     what the round is by then
    "lock.gate_passed": Round.OPEN,
    "lock.rooted":      Round.OPEN,
    "lock.committed":   Round.LOCKED,
}  # fmt: skip


@KILLED
@pytest.mark.parametrize(("point", "phase"), LOCK.items(), ids=LOCK)
async def test_a_crash_in_the_middle_of_the_lock_leaves_a_round_that_locks_once(
    site: Site, point: str, phase: int, killed: str
) -> None:
    disaster = Disaster(site, killed, point, 1)
    async with running(site, disaster.crash_at):
        player = await site.world.account(1_000_000)
        round_id = (await site.world.open()).round.round_id
        orders = [order(player, 7) for _ in range(TICKETS)]
        await site.place("before", round_id, *orders)
        await site.world.let_time_pass(round_id)

        lock = site.world.lock_request(round_id)
        locking = asyncio.create_task(site.insist("keeper", site.world.stubs.rounds.LockRound, lock))
        await disaster.strike()
        if killed == "persist":
            [row] = await site.world.sql("SELECT phase FROM rounds WHERE round_id = $1", round_id)
            assert row["phase"] == phase
        late = asyncio.create_task(site.place("late", round_id, order(player, 7)))
        await disaster.heal()
        locked = (await locking).stored
        disaster.check_time()

        assert locked.round.phase == Round.LOCKED
        assert verdicts(await late) in (["BETTING_CLOSED"], ["BETTING_CLOSED*"])
        assert (await site.insist("keeper", site.world.stubs.rounds.LockRound, lock)).stored == locked
        await site.settle(round_id)
    assert await site.findings() == []
