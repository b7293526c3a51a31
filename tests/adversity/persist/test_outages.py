"""PostgreSQL is cut off, frozen, away, full or read-only under load; two persists write the same round.

Nothing acknowledged is lost, nothing is doubled, no answer changes, and the service answers again soon after.
OUTAGE_S is how long the database is frozen or away: 10 s here, 60 s by `make kills`.
"""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import grpc
import pytest
from furlong.client.errors import OutcomeUnknown, from_rpc
from furlong.persist.v1.ticket_store_service_pb2 import AppendTicketsRequest

from deploy.local.ports import free_port
from deploy.local.postgres import PostgresServer
from services.persist.migrate import migrate
from tests.crashing import (
    BACK_AFTER_RECOVERY_S,
    BACK_S,
    PersistProcess,
    Site,
    Stopwatch,
    channel_to,
    do,
    happens,
    stubs_on,
)
from tests.history.recorder import OK, Recorder
from tests.persisting import Stubs, order, verdicts
from tests.postgres import SETTINGS

OUTAGE_S = float(os.environ.get("OUTAGE_S", "10"))
OUTAGE_TEST_S = 4 * OUTAGE_S + 60
BETTORS = 4
TICKETS = 5
WARM_ANSWERS = 20
SEED = 4


class Bettors:
    """Clients that place without pause. What is in doubt they ask again; of what was refused as a whole they forget
    half, so that a refusal that was none is found as a ticket that nobody was told of."""

    def __init__(self, site: Site, round_id: int, accounts: list[str], *stubs: Stubs) -> None:
        self._site = site
        self._round_id = round_id
        self._stubs = stubs or (site.world.stubs,)
        self._done = False
        self._chance = random.Random(SEED)
        self._tasks = [asyncio.create_task(self._bet(n, each)) for n, each in enumerate(accounts)]

    def answered(self) -> int:
        """How many calls were answered so far."""
        return sum(entry.kind == OK and entry.client.startswith("bettor") for entry in self._site.recorder.entries)

    async def go_on(self, calls: int = WARM_ANSWERS) -> None:
        """Wait until so many more calls are answered."""
        before = self.answered()
        await happens(lambda: self.answered() >= before + calls, 20, f"{calls} calls are answered")

    async def stop(self) -> None:
        """Wait for the last answers."""
        self._done = True
        await asyncio.gather(*self._tasks)

    async def _bet(self, number: int, account_id: str) -> None:
        turn = number
        while not self._done:
            turn += 1
            orders = [order(account_id, 1, runner=1 + turn % 3) for _ in range(TICKETS)]
            request = AppendTicketsRequest(round_id=self._round_id, tickets=orders)
            method = self._stubs[turn % len(self._stubs)].tickets.AppendTickets
            try:
                await self._site.recorder.call(f"bettor-{number}", method, request)
            except grpc.aio.AioRpcError as error:
                in_doubt = isinstance(from_rpc(error, ["a write"]), OutcomeUnknown)
                if in_doubt or self._chance.random() < 0.5:
                    await self._site.insist(f"bettor-{number}", method, request)
                await asyncio.sleep(0.02)


@asynccontextmanager
async def loaded(site: Site, *stubs: Stubs) -> AsyncIterator[Bettors]:
    """Bettors on an open round, which is settled afterwards; then the checker judges it all."""
    round_id = (await site.world.open(betting_window_ms=3_600_000)).round.round_id
    accounts = [await site.world.account(10_000_000) for _ in range(BETTORS)]
    bettors = Bettors(site, round_id, accounts, *stubs)
    await bettors.go_on()
    yield bettors
    await bettors.go_on()
    await bettors.stop()
    await site.settle(round_id)
    assert await site.findings() == []


@asynccontextmanager
async def running(site: Site, crash_at: str = "") -> AsyncIterator[None]:
    await site.persist.start(crash_at)
    async with channel_to(site.persist.address) as channel:
        await site.found(channel)
        yield


# ---- connections and the server --------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["placing.read", "placing.written", "placing.committed"])
async def test_a_connection_that_is_cut_in_mid_transaction_costs_its_callers_nothing_but_time(
    site: Site, point: str
) -> None:
    async with running(site, f"{point}:20:stop"):
        round_id = (await site.world.open()).round.round_id
        player = await site.world.account(1_000_000)
        bettors = Bettors(site, round_id, [player] * BETTORS)
        await site.persist.stopped()
        cut = await site.world.sql(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name LIKE 'furlong-persist%'"""
        )
        assert len(cut) > 2
        os.kill(site.persist.pid, signal.SIGCONT)
        await site.back_within(BACK_S, Stopwatch(), f"connections cut at {point}")
        await bettors.go_on()
        await bettors.stop()
        await site.settle(round_id)
    assert await site.findings() == []


@pytest.mark.timeout(OUTAGE_TEST_S)
async def test_a_database_that_freezes_is_given_up_in_time_and_used_again_when_it_thaws(site: Site) -> None:
    async with running(site), loaded(site) as bettors:
        frozen = [pid for pid in (site.server.pid,) if pid is not None]
        os.kill(frozen[0], signal.SIGSTOP)  # first the head, so that no child is born meanwhile
        frozen += children_of(frozen[0])
        for pid in frozen[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            await told_that_it_is_down(site, began_s)
            before = bettors.answered()  # what was on its way when the server froze has come by now
            await asyncio.sleep(began_s + OUTAGE_S - time.monotonic())
            assert bettors.answered() == before
        finally:
            for pid in frozen:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        await site.back_within(BACK_S, Stopwatch(), f"PostgreSQL frozen for {OUTAGE_S:.0f} s")


@pytest.mark.timeout(OUTAGE_TEST_S)
async def test_a_database_that_refuses_connections_is_used_again_as_soon_as_it_takes_them(
    site: Site, errands: ThreadPoolExecutor
) -> None:
    async with running(site), loaded(site):
        await do(errands, site.server.stop)
        began_s = time.monotonic()
        await told_that_it_is_down(site, began_s)
        await asyncio.sleep(began_s + OUTAGE_S - time.monotonic())
        started = Stopwatch()
        await site.start_postgres()
        await site.back_within(BACK_S, started, f"connections refused for {OUTAGE_S:.0f} s")


async def told_that_it_is_down(site: Site, since_s: float) -> None:
    """Some caller is told soon, and with a status that it may act on: nobody hangs."""
    sent_by = len(site.recorder.entries)

    def told() -> list[str]:
        later = [entry for entry in site.recorder.entries[sent_by:] if entry.kind in ("fail", "info")]
        return [str(entry.answer.get("code")) for entry in later]

    await happens(lambda: bool(told()), 5, "a caller is told that the database is down")
    assert set(told()) <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    print(f"callers are told after {time.monotonic() - since_s:.2f} s")


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# ---- what the database cannot do -------------------------------------------------------------------------------------


async def test_a_database_that_turns_read_only_stores_nothing_and_takes_all_when_it_is_back(site: Site) -> None:
    async with running(site), loaded(site) as bettors:
        for statement in ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"):
            await site.world.sql(statement)
        await told_that_it_is_down(site, time.monotonic())
        before = await tickets_in(site)
        await asyncio.sleep(0.5)
        assert await tickets_in(site) == before
        answered = bettors.answered()
        await site.world.sql("SET default_transaction_read_only = off")
        connection = await asyncpg.connect(site.database_url)
        try:
            await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()
        await site.back_within(BACK_S, Stopwatch(), "read-only mode")
        assert bettors.answered() >= answered


async def tickets_in(site: Site) -> int:
    [row] = await site.world.sql("SELECT count(*) AS tickets FROM tickets")
    return int(row["tickets"])


DISK_BYTES = 256 << 20
MOUNT_UNTIL_ENDED = """
mount -t tmpfs -o size="$2" tmpfs "$1" || exit 1
trap 'umount --lazy "$1"; exit' TERM
echo mounted
while :; do sleep 0.1; done
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own that can be filled. It goes away with the test run, even when that is killed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with subprocess.Popen(
        ["setpriv", "--pdeathsig=TERM", "sh", "-c", MOUNT_UNTIL_ENDED, "sh", str(disk), str(DISK_BYTES)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if not holder.stdout.readline():
            pytest.skip(f"no disk of one's own can be mounted here: {holder.stderr.read().strip()}")
        try:
            yield disk
        finally:
            holder.terminate()


async def test_a_full_disk_loses_nothing_and_is_survived_when_there_is_room_again(
    small_disk: Path, errands: ThreadPoolExecutor, tmp_path: Path
) -> None:
    server = PostgresServer(small_disk / "postgres", port=free_port(), settings=SETTINGS | {"max_wal_size": "64MB"})
    await do(errands, server.start)
    filler = small_disk / "filler"
    with Recorder(tmp_path / "history.jsonl") as recorder:
        site = Site(server.url, PersistProcess(tmp_path, server.url, errands), server, recorder)
        try:
            await migrate(server.url, "head")
            async with running(site), loaded(site) as bettors:
                began_s = time.monotonic()
                fill(filler)
                await told_that_it_is_down(site, began_s)
                answered = bettors.answered()
                filler.unlink()
                freed = Stopwatch()
                await site.start_postgres()  # it may have ended itself, as it does when its log finds no room
                await site.back_within(BACK_AFTER_RECOVERY_S, freed, "disk full")
                assert bettors.answered() >= answered
        finally:
            await site.persist.kill()
            await do(errands, server.kill)


def fill(file: Path) -> None:
    """Write until there is no room."""
    with file.open("wb", buffering=0) as full, suppress(OSError):
        while True:
            full.write(bytes(1 << 16))


# ---- two persists ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_running(site: Site, tmp_path: Path, errands: ThreadPoolExecutor) -> AsyncIterator[tuple[Stubs, Stubs]]:
    """The site's persist and another one on the same database, each on a channel of its own."""
    other = PersistProcess(tmp_path, site.database_url, errands)
    async with AsyncExitStack() as exits:
        exits.push_async_callback(other.kill)
        await site.persist.start()
        await other.start()
        first, second = [await exits.enter_async_context(channel_to(each.address)) for each in (site.persist, other)]
        await site.found(first)
        yield site.world.stubs, stubs_on(second)


async def test_two_persists_sell_the_same_round_and_one_of_them_is_killed(
    site: Site, tmp_path: Path, errands: ThreadPoolExecutor
) -> None:
    async with two_running(site, tmp_path, errands) as both, loaded(site, *both) as bettors:
        await bettors.go_on(10 * WARM_ANSWERS)
        await site.persist.kill()
        await asyncio.sleep(0.3)
        started = Stopwatch()
        await site.persist.start()
        await site.back_within(BACK_S, started, "one of two persists killed")


async def test_the_same_id_sent_to_both_at_once_is_decided_once(
    site: Site, tmp_path: Path, errands: ThreadPoolExecutor
) -> None:
    async with two_running(site, tmp_path, errands) as both:
        round_id = (await site.world.open()).round.round_id
        rich, poor = await site.world.account(1_000_000), await site.world.account(150)
        orders = [order(rich if n % 2 else poor, 7) for n in range(100)]

        async def send(stubs: Stubs, each: int) -> list[str]:
            request = AppendTicketsRequest(round_id=round_id, tickets=[orders[each]])
            answer = await site.insist(f"sender-{each}", stubs.tickets.AppendTickets, request)
            return verdicts(answer.verdicts)

        sending: list[Awaitable[list[str]]] = [send(stubs, n) for n in range(100) for stubs in both]
        answers = await asyncio.gather(*sending)
        pairs = [sorted(answers[n] + answers[n + 1]) for n in range(0, 200, 2)]
        assert all(pair[1] == pair[0] + "*" for pair in pairs), pairs  # one decided, the other was told the same
        assert sum(pair[0] == "ACCEPTED" for pair in pairs) == 50 + 150 // 7
        await site.settle(round_id)
    assert await site.findings() == []
