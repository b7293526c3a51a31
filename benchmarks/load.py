"""The load generator: callers that place tickets one call after another, in a process of their own.

It speaks plain grpc.aio, without the retries and breakers of furlong.client, and does the same work whether it is
pointed at game, at the gateway or at the bare echo server: it fills in fresh ids, sends the message, reads the answer.

Run apart it reads a `Load` and prints a `Tally`.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsRequest, PlaceTicketsResponse

from benchmarks.apart import run_apart

METHOD = "/furlong.game.v1.TicketService/PlaceTickets"
CONNECTIONS = 4
CALL_TIMEOUT_S = 10.0
PAUSE_AFTER_ERROR_S = 0.02
STAKE_MINOR = 100
ID_DIGITS_COUNTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send, where, and for how long.

    `seconds` are measured after `warmup_s`. With `calls_per_s` all callers together begin that many calls a second, in
    even steps, and a call's latency counts from when it was due. With `echo` the answers are the requests themselves
    and hold no verdicts.
    """

    target: str
    token: str
    round_id: int
    runners: tuple[int, ...]
    accounts: tuple[str, ...]
    tickets_per_call: int
    calls_in_flight: int
    warmup_s: float
    seconds: float
    echo: bool = False
    calls_per_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came back: calls, their latencies and accepted tickets of the measured time; the rest of the whole run.

    `unanswered` counts tickets of calls that ended with an error: they may be stored or not. `refusals` counts tickets
    by verdict, `errors` calls by status. `cpu_s` is the processor time of the callers themselves.
    """

    seconds: float
    calls: int = 0
    accepted: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    accepted_in_all: int = 0
    unanswered: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0

    @property
    def calls_per_s(self) -> float:
        """Answered calls a second."""
        return self.calls / self.seconds

    @property
    def accepted_per_s(self) -> float:
        """Accepted tickets a second."""
        return self.accepted / self.seconds


async def run(load: Load) -> Tally:
    """Put the load on from a process of its own and wait for its tally. Raises `ApartFailed`."""
    return Tally(**await run_apart("benchmarks.load", asdict(load)))


class Callers:
    """All callers of one load, sharing one tally."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._accounts = itertools.cycle(random.sample(load.accounts, len(load.accounts)))
        self._runners = itertools.cycle(load.runners)
        self._numbers = itertools.count()
        self._metadata = (("authorization", f"Bearer {load.token}"),)
        self._starts_s = time.perf_counter() + load.warmup_s
        self._ends_s = self._starts_s + load.seconds
        self._due_s = itertools.count(time.perf_counter(), 1 / load.calls_per_s if load.calls_per_s else 0)
        self.tally = Tally(seconds=load.seconds)

    async def call_until_the_end(self, channel: grpc.aio.Channel) -> None:
        """One caller: the next call goes out when the one before is answered."""
        load = self._load
        read: Callable[[bytes], Any] = (PlaceTicketsRequest if load.echo else PlaceTicketsResponse).FromString
        place = channel.unary_unary(METHOD, PlaceTicketsRequest.SerializeToString, read)
        request = PlaceTicketsRequest(round_id=load.round_id, tickets=[_order() for _ in range(load.tickets_per_call)])
        while (begun_s := await self._turn()) < self._ends_s:
            self._fill(request)
            try:
                answer = await place(request, metadata=self._metadata, timeout=CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                _add(self.tally.errors, f"{error.code().name} {error.details()}", 1)
                self.tally.unanswered += load.tickets_per_call
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)
                continue
            self._count(begun_s, time.perf_counter(), answer)

    async def _turn(self) -> float:
        """Wait until the next call is due, where calls have a pace; the moment that it was due."""
        if not self._load.calls_per_s:
            return time.perf_counter()
        due_s = next(self._due_s)
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        return due_s

    def _fill(self, request: PlaceTicketsRequest) -> None:
        """Fresh ids, accounts and runners in a message that is used again: building it anew costs more.

        The ids of a call share their time and their chance but for the last twelve digits, which count.
        """
        shared = uuid7()[:-ID_DIGITS_COUNTED]
        for order in request.tickets:
            order.request_id = f"{shared}{next(self._numbers):0{ID_DIGITS_COUNTED}x}"
            order.account_id = next(self._accounts)
            order.lines[0].runners[0] = next(self._runners)

    def _count(self, begun_s: float, done_s: float, answer: PlaceTicketsRequest | PlaceTicketsResponse) -> None:
        accepted = 0
        if isinstance(answer, PlaceTicketsResponse):
            verdicts = Counter([result.verdict for result in answer.results])
            accepted = verdicts.pop(TicketResult.ACCEPTED, 0)
            for verdict, tickets in verdicts.items():
                _add(self.tally.refusals, TicketResult.Verdict.Name(verdict), tickets)
        self.tally.accepted_in_all += accepted
        if self._starts_s <= done_s < self._ends_s:
            self.tally.calls += 1
            self.tally.accepted += accepted
            self.tally.latencies_ms.append(round((done_s - begun_s) * 1_000, 2))


def _add(counts: dict[str, int], name: str, times: int) -> None:
    counts[name] = counts.get(name, 0) + times


def _order() -> TicketOrder:
    return TicketOrder(lines=[Line(market=Line.WIN, runners=[0], stake_minor=STAKE_MINOR)])


async def _put_on(load: Load) -> Tally:
    options = [("grpc.use_local_subchannel_pool", 1)]  # without it all channels would share one connection
    channels = [grpc.aio.insecure_channel(load.target, options=options) for _ in range(CONNECTIONS)]
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
        callers = Callers(load)
        begun_cpu_s = time.process_time()
        async with asyncio.TaskGroup() as group:
            for channel, _ in zip(itertools.cycle(channels), range(load.calls_in_flight), strict=False):
                group.create_task(callers.call_until_the_end(channel))
        callers.tally.cpu_s = time.process_time() - begun_cpu_s
        return callers.tally
    finally:
        for channel in channels:
            await channel.close()


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_put_on(Load(**json.load(sys.stdin)))))))
