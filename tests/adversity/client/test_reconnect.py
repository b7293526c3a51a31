"""A channel notices fast that a server is back."""

import asyncio
import time

import grpc
import pytest
from furlong.client import open_channel

from tests.crashing import Stopwatch
from tests.loopback import PROBE_SERVICE, READ, Script, ask, probe_service, serving

OUTAGE_S = 4.0
"""Long enough for gRPC's own back-off, which has no bound below two minutes, to have grown beyond a second."""


async def test_after_an_outage_calls_succeed_again_within_seconds() -> None:
    script = Script(b"here")
    async with (
        serving(probe_service({READ: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        await ask(channel, READ)
        await server.kill()
        ends_s = time.monotonic() + OUTAGE_S
        while time.monotonic() < ends_s:
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(channel, READ)
            await asyncio.sleep(0.05)
        await server.start()
        back = Stopwatch()
        while True:
            try:
                assert await ask(channel, READ) == b"here"
                break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.02)
        # The greatest back-off with its jitter, and the breaker's rest on top; gRPC's default takes more after this.
        outage = back.outage("server gone", time.monotonic(), 2.5)
        assert not outage.is_too_long, str(outage)
