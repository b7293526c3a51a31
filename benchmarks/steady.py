"""A steady load: calls that begin on time, however long the ones before take, in a process of their own.

What a full load hides a steady one shows: how much longer a caller waits while something else goes on. Run apart it
reads a `Pace` and prints when each call began and how long it took.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import grpc
from furlong.client.identity import uuid7
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsRequest, PlaceTicketsResponse

from benchmarks.apart import run_apart
from benchmarks.load import CALL_TIMEOUT_S, METHOD, STAKE_MINOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What to send, where, how often, and for how long."""

    target: str
    token: str
    round_id: int
    runners: tuple[int, ...]
    accounts: tuple[str, ...]
    tickets_per_call: int
    calls_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: when it began, in seconds of the machine's clock, and how long its answer took."""

    began_s: float
    took_ms: float


async def run(pace: Pace) -> Sequence[Call]:
    """Keep the pace from a process of its own. Raises `ApartFailed`, also where a ticket was not accepted."""
    answer = await run_apart("benchmarks.steady", asdict(pace))
    return [Call(began_s=began_s, took_ms=took_ms) for began_s, took_ms in answer["calls"]]


async def _keep(pace: Pace) -> list[tuple[float, float]]:
    accounts = itertools.cycle(random.sample(pace.accounts, len(pace.accounts)))
    runners = itertools.cycle(pace.runners)
    async with grpc.aio.insecure_channel(pace.target) as channel:
        place = channel.unary_unary(METHOD, PlaceTicketsRequest.SerializeToString, PlaceTicketsResponse.FromString)

        async def call() -> tuple[float, float]:
            orders = [
                TicketOrder(
                    request_id=uuid7(),
                    account_id=next(accounts),
                    lines=[Line(market=Line.WIN, runners=[next(runners)], stake_minor=STAKE_MINOR)],
                )
                for _ in range(pace.tickets_per_call)
            ]
            began_s = time.time()
            answer = await place(
                PlaceTicketsRequest(round_id=pace.round_id, tickets=orders),
                metadata=(("authorization", f"Bearer {pace.token}"),),
                timeout=CALL_TIMEOUT_S,
            )
            took_ms = (time.time() - began_s) * 1_000
            refused = [each for each in answer.results if each.verdict != TicketResult.ACCEPTED]
            assert not refused, f"refused: {refused[0].reason}"
            return began_s, round(took_ms, 2)

        calls = []
        begins_s = time.perf_counter()
        for n in range(int(pace.seconds * pace.calls_per_s)):
            await asyncio.sleep(max(0.0, begins_s + n / pace.calls_per_s - time.perf_counter()))
            calls.append(asyncio.create_task(call()))
        return await asyncio.gather(*calls)


if __name__ == "__main__":
    print(json.dumps({"calls": asyncio.run(_keep(Pace(**json.load(sys.stdin))))}))
