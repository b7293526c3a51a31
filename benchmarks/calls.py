"""A load generator for any unary method: the same few requests again and again, as bytes, from a process of its own.

It neither builds nor reads messages, so that what it measures is the server, whichever server that is.

Run apart it reads a `Calls` and prints a `Rate`.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from benchmarks.apart import run_apart

CONNECTIONS = 4
CALL_TIMEOUT_S = 10.0
PAUSE_AFTER_ERROR_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What to send, where, and for how long. `requests` are in hexadecimal and sent in turns."""

    target: str
    token: str
    method: str
    requests: tuple[str, ...]
    calls_in_flight: int
    warmup_s: float
    seconds: float


@dataclass(slots=True, kw_only=True)
class Rate:
    """What came back in the measured time."""

    seconds: float
    calls: int = 0
    bytes: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def per_s(self) -> float:
        """Answered calls a second."""
        return self.calls / self.seconds


async def run(calls: Calls) -> Rate:
    """Put the load on from a process of its own and wait for its rate. Raises `ApartFailed`."""
    return Rate(**await run_apart("benchmarks.calls", asdict(calls)))


async def _put_on(calls: Calls) -> Rate:
    options = [("grpc.use_local_subchannel_pool", 1)]  # without it all channels would share one connection
    channels = [grpc.aio.insecure_channel(calls.target, options=options) for _ in range(CONNECTIONS)]
    rate = Rate(seconds=calls.seconds)
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
        starts_s = time.perf_counter() + calls.warmup_s
        async with asyncio.TaskGroup() as group:
            for channel, _ in zip(itertools.cycle(channels), range(calls.calls_in_flight), strict=False):
                group.create_task(_call(calls, rate, channel, starts_s))
        return rate
    finally:
        for channel in channels:
            await channel.close()


async def _call(calls: Calls, rate: Rate, channel: grpc.aio.Channel, starts_s: float) -> None:
    """One caller: the next call goes out when the one before is answered."""
    stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(calls.method)
    metadata = (("authorization", f"Bearer {calls.token}"),) if calls.token else ()
    ends_s = starts_s + calls.seconds
    for request in itertools.cycle([bytes.fromhex(each) for each in calls.requests]):
        try:
            answer = await stub(request, metadata=metadata, timeout=CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            rate.errors[f"{error.code().name} {error.details()}"] += 1
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            answer = None
        now_s = time.perf_counter()
        if now_s >= ends_s:
            return
        if answer is not None and now_s >= starts_s:
            rate.calls += 1
            rate.bytes += len(answer)


def _main() -> None:
    order: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps(asdict(asyncio.run(_put_on(Calls(**order))))))


if __name__ == "__main__":
    _main()
