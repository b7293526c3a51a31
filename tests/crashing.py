"""A real persist, a process of its own, over a real PostgreSQL, and a client that does not give up: to be killed.

Starting and ending processes blocks, and the kernel ends a process with the thread that started it, so both are done by
one thread that outlives the tests: `errands`.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
from furlong.client.channel import open_channel
from furlong.client.errors import KINDS, CallRefused
from furlong.client.identity import uuid7
from furlong.persist.v1 import (
    lease_service_pb2,
    ledger_service_pb2,
    round_store_service_pb2,
    ticket_store_service_pb2,
    track_store_service_pb2,
)
from furlong.persist.v1.lease_service_pb2_grpc import LeaseServiceStub
from furlong.persist.v1.ledger_service_pb2 import CreditAccountRequest
from furlong.persist.v1.ledger_service_pb2_grpc import LedgerServiceStub
from furlong.persist.v1.round_store_service_pb2 import PostSettlementRequest, StoredRound
from furlong.persist.v1.round_store_service_pb2_grpc import RoundStoreServiceStub
from furlong.persist.v1.ticket_store_service_pb2 import AppendTicketsRequest, TicketAppend, TicketVerdict
from furlong.persist.v1.ticket_store_service_pb2_grpc import TicketStoreServiceStub
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceStub
from google.protobuf.message import Message

from deploy.local.part import ProcessPart
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import PostgresServer
from deploy.local.probes import serves_grpc
from deploy.local.programs import ROOT
from services.chassis.crash_points import EXIT_KILLED
from tests.history import stored
from tests.history.checker import Finding, check
from tests.history.recorder import OK, Recorder
from tests.persisting import Stubs, World

T = TypeVar("T")
R = TypeVar("R", bound=Message)

SERVICES: Final = (
    ticket_store_service_pb2.DESCRIPTOR.services_by_name["TicketStoreService"],
    round_store_service_pb2.DESCRIPTOR.services_by_name["RoundStoreService"],
    track_store_service_pb2.DESCRIPTOR.services_by_name["TrackStoreService"],
    ledger_service_pb2.DESCRIPTOR.services_by_name["LedgerService"],
    lease_service_pb2.DESCRIPTOR.services_by_name["LeaseService"],
)

BACK_S: Final = 3.0
"""How soon after the cause is gone the service answers again."""
BACK_AFTER_RECOVERY_S: Final = 5.0
"""The same after PostgreSQL had to recover from a crash, counted from its start."""
GIVE_UP_S: Final = 150.0
"""Longer than any outage of the tests."""
AGAIN_S: Final = 0.02
STRETCH_MAX: Final = 5.0
"""On a machine that is busier than that nothing can be measured."""
STOP_S: Final = 10.0
READY_S: Final = 30.0
ACTING_S: Final = 15.0
"""How long a process may take to come to its crash point."""
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "gen", ROOT / "client"))),
    "FURLONG_AUTH": "off",
}


class PersistProcess:
    """A persist on a port that stays the same when it comes back."""

    def __init__(self, folder: Path, database_url: str, errands: ThreadPoolExecutor, **environment: str) -> None:
        self.address = f"{LOOPBACK}:{(port := free_port())}"
        self._errands = errands
        self._folder = folder
        self._environment = {
            **os.environ,
            **ENVIRONMENT,
            "FURLONG_PORT": str(port),
            "DATABASE_URL": database_url,
            **environment,
        }
        self._part: ProcessPart | None = None

    @property
    def pid(self) -> int:
        """Its process, which must run."""
        assert self._part is not None
        assert self._part.pid is not None, f"persist has ended with {self._part.exit_code}"
        return self._part.pid

    async def start(self, crash_at: str = "") -> None:
        """Start it and wait until it serves; with a crash planned where one is named."""
        crash = {"FURLONG_CRASH_POINTS": "on", "FURLONG_CRASH_AT": crash_at} if crash_at else {}
        part = self._part = ProcessPart(
            "persist",
            command=[sys.executable, "-m", "services.persist"],
            environment={**self._environment, **crash},
            folder=ROOT,
            log=self._folder / "persist.log",
            is_ready=lambda: serves_grpc(self.address),
            stop_timeout_s=STOP_S,
        )

        def start() -> None:
            part.start()
            part.wait_ready(READY_S)

        await do(self._errands, start)

    async def kill(self) -> None:
        """End it with SIGKILL, whatever state it is in."""
        if self._part is not None:
            await do(self._errands, self._part.kill)

    async def crashed(self) -> None:
        """Wait until it has died at its crash point."""
        part = self._part
        assert part is not None
        await happens(lambda: part.pid is None, ACTING_S, "persist comes to its crash point")
        assert part.exit_code == EXIT_KILLED

    async def stopped(self) -> None:
        """Wait until it has stopped at its crash point."""
        await happens(lambda: state_of(self.pid) == "T", ACTING_S, "persist comes to the point where it stops")


class Site:
    """One database, one persist, one track under a lease, and everything that clients do written down."""

    def __init__(self, database_url: str, persist: PersistProcess, server: PostgresServer, recorder: Recorder) -> None:
        self.database_url = database_url
        self.persist = persist
        self.server = server
        self.recorder = recorder
        self.world: World
        self._till = ""
        self._errands = persist._errands

    async def found(self, channel: grpc.aio.Channel) -> None:
        """Make the world; persist must be up."""
        self.world = World(stubs_on(channel), self.database_url)
        await self.world.found()
        self._till = await self.world.account(floor_minor=-1)

    async def insist(self, client: str, method: Callable[[Any], Awaitable[R]], request: Message) -> R:
        """Send a request again and again until the answer is definite, as place() does. Raises a refusal."""
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                try:
                    return await self.recorder.call(client, method, request)
                except grpc.aio.AioRpcError as error:
                    if KINDS[error.code()] is CallRefused:
                        raise
                await asyncio.sleep(AGAIN_S)

    async def place(self, client: str, round_id: int, *orders: TicketAppend) -> Sequence[TicketVerdict]:
        """Place orders for certain."""
        request = AppendTicketsRequest(round_id=round_id, tickets=orders)
        return list((await self.insist(client, self.world.stubs.tickets.AppendTickets, request)).verdicts)

    async def settle(self, round_id: int) -> StoredRound:
        """Bring a round that is open, or on its way, to its end, insisting on every step."""
        world, rounds = self.world, self.world.stubs.rounds
        await world.let_time_pass(round_id)
        await self.insist("keeper", rounds.LockRound, world.lock_request(round_id))
        await self.insist("keeper", rounds.StartRace, world.start_request(round_id))
        await self.insist("keeper", rounds.FinishRound, world.finish_request(round_id))
        settled: StoredRound = (await self.insist("keeper", rounds.SettleRound, world.settle_request(round_id))).stored
        return await self.post(round_id) if settled.posting else settled

    async def post(self, round_id: int) -> StoredRound:
        """Move the money that was decided on, to the end."""
        while True:
            request = PostSettlementRequest(round_id=round_id)
            posted = (await self.insist("keeper", self.world.stubs.rounds.PostSettlement, request)).stored
            if not posted.posting:
                stored_round: StoredRound = posted
                return stored_round

    async def probe(self) -> None:
        """Have a small thing written, for certain."""
        request = CreditAccountRequest(
            request_id=uuid7(), account_id=self._till, amount_minor=1, reason="to see", actor="tests"
        )
        await self.insist("probe", self.world.stubs.ledger.CreditAccount, request)

    async def back_within(self, most_s: float, since: "Stopwatch", what: str) -> None:
        """Have something written, and hold the outage that ends with the answer to its bound."""
        await self.probe()
        outage = since.outage(what, self._answered_s(), most_s)
        assert not outage.is_too_long, str(outage)

    def _answered_s(self) -> float:
        """When the last probe was answered."""
        return max(entry.t_s for entry in self.recorder.entries if entry.client == "probe" and entry.kind == OK)

    async def kill_postgres(self) -> None:
        """End the server with SIGKILL."""
        await do(self._errands, self.server.kill)

    async def start_postgres(self) -> None:
        """Start the server and wait until it takes connections."""
        await do(self._errands, self.server.start)

    async def stored_tickets(self) -> set[str]:
        """The ids of all stored tickets."""
        return {str(row["ticket_id"]) for row in await self.world.sql("SELECT ticket_id FROM tickets")}

    async def findings(self) -> list[Finding]:
        """What the checker has to say about all of it."""
        return check(self.recorder.entries, await stored.read_at(self.database_url))


def stubs_on(channel: grpc.aio.Channel) -> Stubs:
    """The services of a persist in another process, whose health is for others to ask about."""
    return Stubs(
        tickets=TicketStoreServiceStub(channel),
        rounds=RoundStoreServiceStub(channel),
        tracks=TrackStoreServiceStub(channel),
        ledger=LedgerServiceStub(channel),
        leases=LeaseServiceStub(channel),
        alive=lambda: True,
        ready=lambda: True,
    )


@asynccontextmanager
async def channel_to(*addresses: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel as game has one: with the client library's deadlines, retries and breaker."""
    channel = open_channel(f"ipv4:{','.join(addresses)}", services=SERVICES)
    try:
        yield channel
    finally:
        await channel.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """How long after its cause was gone an outage lasted, and how long it may.

    The bound is that of a machine that does nothing but the test. Where this process had to wait for a processor for
    more than half as long as it had one, the machine is busy with something else, and the bound is stretched.
    """

    what: str
    back_s: float
    most_s: float
    stretch: float

    @property
    def is_too_long(self) -> bool:
        """Whether it lasted longer than it may."""
        return self.back_s > self.most_s * self.stretch

    def __str__(self) -> str:
        stretched = f" x {self.stretch:.1f}" if self.stretch > 1 else ""
        return f"{self.what}: answers {self.back_s:.2f} s after, at most {self.most_s:.0f} s{stretched}"


class Stopwatch:
    """Started when the cause of an outage is gone."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self._began_ns = _ran_and_waited_ns()

    def outage(self, what: str, answered_s: float, most_s: float) -> Outage:
        """The outage that ended with an answer at a time on the monotonic clock; it is printed."""
        ran_ns, waited_ns = (now - then for now, then in zip(_ran_and_waited_ns(), self._began_ns, strict=True))
        stretch = min(max(1.0, (ran_ns + waited_ns) / ran_ns / 1.5), STRETCH_MAX) if ran_ns else 1.0
        outage = Outage(what=what, back_s=answered_s - self.began_s, most_s=most_s, stretch=stretch)
        print(outage)
        return outage


def _ran_and_waited_ns() -> tuple[int, int]:
    """How long this thread has had a processor, and how long it has waited for one."""
    try:
        ran_ns, waited_ns, _ = Path("/proc/self/schedstat").read_text().split()
    except FileNotFoundError:  # a kernel that does not count it
        return 0, 0
    return int(ran_ns), int(waited_ns)


async def do(errands: ThreadPoolExecutor, errand: Callable[[], T]) -> T:
    """Have the errands' thread do something."""
    return await asyncio.wrap_future(errands.submit(errand))


async def happens(ask: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait until something is true. Raises AssertionError that says what never was."""
    ends_at_s = time.monotonic() + within_s
    while not ask():
        assert time.monotonic() < ends_at_s, f"within {within_s} s: {what}"
        await asyncio.sleep(AGAIN_S / 2)


def state_of(pid: int) -> str:
    """The state of a process as the kernel has it: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
