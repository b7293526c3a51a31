"""A caller that vanishes without a word is noticed: its streams end, and what they held is free again."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from furlong.game.v1 import round_service_pb2 as pb

from services.chassis.server import Keepalive
from tests.loopback import until
from tests.served import Served, host_rounds, serving

SOON = Keepalive(after_ms=200, answer_ms=300)

WATCH = """
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    for _ in channel.unary_stream("/furlong.game.v1.RoundService/WatchRounds")(b""):
        print("watching", flush=True)
"""


class Rooms:
    """Notes who watches."""

    def __init__(self) -> None:
        self.watchers = 0

    async def watch(self, _: Any, context: Any) -> None:
        self.watchers += 1
        try:
            await context.write(pb.WatchRoundsResponse())
            await asyncio.Event().wait()
        finally:
            self.watchers -= 1


@asynccontextmanager
async def another_process(served: Served) -> AsyncIterator[asyncio.subprocess.Process]:
    """A watcher in a process of its own, which has its first frame."""
    target = f"127.0.0.1:{served.server.port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WATCH, target, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"watching\n"
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_a_frozen_watcher_is_let_go_and_one_that_only_has_nothing_to_say_is_not() -> None:
    rooms = Rooms()
    async with serving(host_rounds(WatchRounds=rooms.watch), keepalive=SOON) as served:
        quiet = served.rounds.WatchRounds(pb.WatchRoundsRequest())
        await quiet.read()
        async with another_process(served) as frozen:
            assert rooms.watchers == 2
            frozen.send_signal(signal.SIGSTOP)
            await until(lambda: rooms.watchers == 1, within_s=10)
        await asyncio.sleep(2 * (SOON.after_ms + SOON.answer_ms) / 1_000)
        assert rooms.watchers == 1
        assert not quiet.done()
        quiet.cancel()
