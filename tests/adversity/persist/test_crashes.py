"""persist or PostgreSQL is killed at every named crash point: nothing acknowledged is lost, nothing is doubled.

At the point persist either dies, or stops while PostgreSQL is killed and comes back, and then goes on. Clients insist.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import Round
from furlong.common.v1.ticket_pb2 import Ticket
from furlong.persist.v1.ticket_store_service_pb2 import CancelTicketRequest, PayTicketRequest

from deploy.local.postgres import DATABASE, PostgresServer
from deploy.local.programs import ROOT
from services.chassis.crash_points import EXIT_KILLED
from services.persist.crash_points import POINTS
from services.persist.domain.settlement import PAID_IN_CHUNK
from services.persist.migrate import current
from tests.crashing import (
    ACTING_S,
    BACK_AFTER_RECOVERY_S,
    BACK_S,
    ENVIRONMENT,
    Site,
    Stopwatch,
    channel_to,
    do,
    happens,
    state_of,
)
from tests.persisting import order, verdicts, winner
from tests.postgres import TEMPLATE, run_sql
from tests.served import refused

CLIENTS = 4
TICKETS = 5
KILLED = pytest.mark.parametrize("killed", ["persist", "PostgreSQL"])


class Disaster:
    """What is killed at a crash point, and how long it took until the service answered again."""

    def __init__(self, site: Site, killed: str, point: str, nth: int) -> None:
        self.crash_at = f"{point}:{nth}" if killed == "persist" else f"{point}:{nth}:stop"
        self._site = site
        self._killed = killed
        self._healed = Stopwatch()

    async def strike(self) -> None:
        """Wait until persist is at its point, and kill."""
        if self._killed == "persist":
            await self._site.persist.crashed()
        else:
            await self._site.persist.stopped()
            await self._site.kill_postgres()

    async def heal(self) -> None:
        """Bring back what was killed."""
        self._healed = Stopwatch()
        if self._killed == "persist":
            await self._site.persist.start()
        else:
            await self._site.start_postgres()
            os.kill(self._site.persist.pid, signal.SIGCONT)

    async def check_time(self) -> None:
        """Write something else, for certain: the answer comes soon enough after what was killed is started again."""
        most_s = BACK_S if self._killed == "persist" else BACK_AFTER_RECOVERY_S
        await self._site.back_within(most_s, self._healed, f"{self.crash_at}, {self._killed} killed")


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
        await disaster.check_time()

        told = [await each for each in placing]
        assert {name.rstrip("*") for each in told for name in verdicts(each)} == {"ACCEPTED"}
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
        await disaster.check_time()
        locked = (await locking).stored

        assert locked.round.phase == Round.LOCKED
        assert verdicts(await late) in (["BETTING_CLOSED"], ["BETTING_CLOSED*"])
        assert (await site.insist("keeper", site.world.stubs.rounds.LockRound, lock)).stored == locked
        await site.settle(round_id)
    assert await site.findings() == []


# ---- settlement ------------------------------------------------------------------------------------------------------

WINNERS_PER_CALL = 200
WINNERS = 2 * PAID_IN_CHUNK + WINNERS_PER_CALL
"""Three chunks, the last of them short."""
SETTLEMENT = {
    # where it dies                 the nth time, winners, chunks posted by then, and the phase
    "settlement.decided":         (1, WINNERS_PER_CALL, 0, Round.FINISHED),
    "settlement.chunk_written":   (2, WINNERS, 1, Round.FINISHED),
    "settlement.chunk_committed": (2, WINNERS, 2, Round.FINISHED),
    "settlement.posted":          (1, WINNERS_PER_CALL, 1, Round.SETTLED),
}  # fmt: skip


@KILLED
@pytest.mark.parametrize(("point", "expected"), SETTLEMENT.items(), ids=SETTLEMENT)
async def test_a_crash_in_the_middle_of_a_settlement_pays_everybody_once(
    site: Site, point: str, expected: tuple[int, int, int, int], killed: str
) -> None:
    nth, winners, *at_death = expected
    disaster = Disaster(site, killed, point, nth)
    async with running(site, disaster.crash_at):
        players = [await site.world.account(1_000_000) for _ in range(3)]
        round_id = (await site.world.open()).round.round_id
        for first in range(0, winners, WINNERS_PER_CALL):
            await site.place(
                "before", round_id, *(order(players[n % 3], 7) for n in range(first, first + WINNERS_PER_CALL))
            )

        settling = asyncio.create_task(site.settle(round_id))
        await disaster.strike()
        if killed == "persist":
            [row] = await site.world.sql(
                """SELECT (SELECT count(*) FROM postings) AS posted, phase FROM rounds WHERE round_id = $1""", round_id
            )
            assert [row["posted"], row["phase"]] == at_death
        await disaster.heal()
        await disaster.check_time()
        settled = await settling

        assert (settled.round.phase, settled.posting) == (Round.SETTLED, False)
        assert await site.post(round_id) == settled
        other = site.world.settle_request(round_id, winner(2))
        assert (await refused(site.world.stubs.rounds.SettleRound(other))).reason == "ROUND_PHASE"
    assert await site.findings() == []


# ---- one ticket ------------------------------------------------------------------------------------------------------


@KILLED
async def test_a_crash_in_the_middle_of_a_cancel_gives_the_stake_back_once(site: Site, killed: str) -> None:
    disaster = Disaster(site, killed, "cancel.written", 1)
    async with running(site, disaster.crash_at):
        player = await site.world.account(100)
        round_id = (await site.world.open()).round.round_id
        taken_back, kept = order(player, 30), order(player, 20)
        await site.place("ann", round_id, taken_back, kept)

        request = CancelTicketRequest(
            request_id=uuid7(), ticket_id=taken_back.request_id, reason="a slip of the pen", actor="ann"
        )
        cancelling = asyncio.create_task(site.insist("ann", site.world.stubs.tickets.CancelTicket, request))
        await disaster.strike()
        await disaster.heal()
        await disaster.check_time()
        cancelled = await cancelling

        assert cancelled.ticket.state == Ticket.CANCELLED
        assert await site.insist("ann", site.world.stubs.tickets.CancelTicket, request) == cancelled
        assert await site.world.balance_minor(player) == 80
        await site.settle(round_id)
    assert await site.findings() == []


@KILLED
async def test_a_crash_in_the_middle_of_a_payout_at_a_till_pays_it_once(site: Site, killed: str) -> None:
    disaster = Disaster(site, killed, "pay.written", 1)
    async with running(site, disaster.crash_at):
        sold_by, paid_by = await site.world.account(floor_minor=-1_000), await site.world.account(floor_minor=-1_000)
        round_id = (await site.world.open()).round.round_id
        ticket = order(sold_by, 100)
        await site.place("till", round_id, ticket)
        await site.settle(round_id)

        request = PayTicketRequest(
            request_id=uuid7(), ticket_id=ticket.request_id, account_id=paid_by, actor="the other till"
        )
        paying = asyncio.create_task(site.insist("till", site.world.stubs.tickets.PayTicket, request))
        await disaster.strike()
        await disaster.heal()
        await disaster.check_time()
        paid = await paying

        assert (paid.ticket.state, paid.paid_minor) == (Ticket.PAID, 235)
        assert await site.insist("till", site.world.stubs.tickets.PayTicket, request) == paid
        again = PayTicketRequest(
            request_id=uuid7(), ticket_id=ticket.request_id, account_id=sold_by, actor="the first till"
        )
        assert (await refused(site.world.stubs.tickets.PayTicket(again))).reason == "TICKET_STATE"
        assert await site.world.balance_minor(paid_by) == 235
    assert await site.findings() == []


# ---- migration -------------------------------------------------------------------------------------------------------

MIGRATION = ["migration.locked", "migration.stepped"]


@KILLED
@pytest.mark.parametrize("point", MIGRATION)
async def test_a_crash_in_the_middle_of_a_migration_leaves_the_database_as_it_was(
    lasting: PostgresServer, errands: ThreadPoolExecutor, point: str, killed: str
) -> None:
    name = f"bare_{point.rpartition('.')[2]}_{killed.lower()}"
    await run_sql(lasting.url_of(DATABASE), f"CREATE DATABASE {name}")
    url = lasting.url_of(name)
    crash_at = f"{point}:1" if killed == "persist" else f"{point}:1:stop"
    migrating = await start_migration(url, FURLONG_CRASH_POINTS="on", FURLONG_CRASH_AT=crash_at)
    if killed == "PostgreSQL":
        await happens(lambda: state_of(migrating.pid) == "T", ACTING_S, "the migration stops at its point")
        await do(errands, lasting.kill)
        await do(errands, lasting.start)
        os.kill(migrating.pid, signal.SIGCONT)
    code = await asyncio.wait_for(migrating.wait(), ACTING_S)
    assert code == EXIT_KILLED if killed == "persist" else code not in (0, EXIT_KILLED)
    assert await current(url) == ""

    assert await asyncio.wait_for((await start_migration(url)).wait(), ACTING_S) == 0
    assert await current(url) == await current(lasting.url_of(TEMPLATE))


async def start_migration(database_url: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig=KILL", sys.executable, "-m", "services.persist.migrate", "up"),
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT, "DATABASE_URL": database_url, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


# ---- all of them -----------------------------------------------------------------------------------------------------


def test_persist_dies_at_every_point_that_has_a_name() -> None:
    died_at = {*PLACING, *LOCK, *SETTLEMENT, *MIGRATION, "cancel.written", "pay.written"}
    assert died_at == set(POINTS)
