"""metrics that is gone, or hangs, costs the services nothing but telemetry."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from furlong.game.v1 import round_service_pb2 as pb2

from services.chassis import telemetry
from tests.adversity.metrics.test_forward import collecting
from tests.observing import observing
from tests.served import host_rounds, serving

CALLS = 200


@asynccontextmanager
async def game(endpoint: str) -> AsyncIterator[Any]:
    """A server that records everything and sends it to `endpoint`."""

    async def answer(request: Any, context: Any) -> Any:
        return pb2.GetRoundResponse()

    sending = telemetry.build("game", endpoint, 1.0)
    try:
        async with serving(
            host_rounds(GetRound=answer),
            tracer_provider=sending.tracer_provider,
            meter_provider=sending.meter_provider,
        ) as running:
            yield running
    finally:
        began_s = time.monotonic()
        await asyncio.to_thread(sending.shutdown)
        assert time.monotonic() - began_s < 15


async def slowest_call_s(running: Any) -> float:
    slowest_s = 0.0
    for _ in range(CALLS):
        began_s = time.monotonic()
        await running.rounds.GetRound(pb2.GetRoundRequest(round_id=1))
        slowest_s = max(slowest_s, time.monotonic() - began_s)
    return slowest_s


async def test_what_a_server_records_arrives() -> None:
    async with observing() as seen, game(seen.endpoint) as running:
        await slowest_call_s(running)
        snapshot = await seen.snapshot_when(lambda told: sum(each.latency.count for each in told.methods) == CALLS)
        assert await seen.traces()
        (method,) = snapshot.methods
    assert (method.service, method.method) == ("game", "furlong.game.v1.RoundService/GetRound")
    assert 0 < method.latency.p50_us <= method.latency.p99_us <= method.latency.max_us * 1.1


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "is gone"])
async def test_calls_are_answered_at_once_while_metrics_is_away(hangs: bool) -> None:
    async def hang(request: bytes, _: Any) -> bytes:
        await asyncio.sleep(60)
        return b""

    async with collecting(hang) as endpoint:
        if not hangs:
            await endpoint.kill()
        async with game(f"http://{endpoint.target}") as running:
            slowest_s = 0.0
            async with asyncio.timeout(30):
                for _ in range(3):  # long enough for exports to come due and fail
                    slowest_s = max(slowest_s, await slowest_call_s(running))
                    await asyncio.sleep(1)
    assert slowest_s < 1
