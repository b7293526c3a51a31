"""A server that is told to go loses no call that it took, and tells everybody else to come back."""

import asyncio
from typing import Any

import grpc
import pytest
from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import round_service_pb2 as pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from services.chassis.refusal import Refusal
from tests.served import Served, config, host_rounds, refused, serving

REQUEST = pb2.GetRoundRequest(round_id=1)


class Desk:
    """Answers a read when it is released, and watches until the service goes away."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.release = asyncio.Event()
        self.going = asyncio.Event()
        self.reads_cancelled = 0

    async def get(self, _: Any, __: Any) -> Any:
        self.asked.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.reads_cancelled += 1
            raise
        return pb2.GetRoundResponse()

    async def watch(self, _: Any, context: Any) -> None:
        await context.write(pb2.WatchRoundsResponse(transition_seq=41))
        await self.going.wait()
        raise Refusal(Reason.DRAINING, "watch another replica", retry_in_ms=1, metadata={"after": "41"})

    async def go(self) -> None:
        self.going.set()


async def health_of(served: Served, name: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(served.channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=name))).status)


async def until_refused(served: Served) -> Any:
    """Ask until the server refuses; each answer before that is one that it still gave."""
    async with asyncio.timeout(30):
        while True:
            try:
                await served.rounds.GetRound(REQUEST, timeout=0.05)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    return await refused(served.rounds.GetRound(REQUEST))


async def test_calls_in_flight_finish_streams_end_with_a_hint_and_new_calls_are_refused() -> None:
    desk = Desk()
    hosted = host_rounds(GetRound=desk.get, WatchRounds=desk.watch)
    async with serving(hosted, on_drain=desk.go, settings=config(drain_grace_ms=60_000)) as served:
        in_flight = asyncio.ensure_future(served.rounds.GetRound(REQUEST, timeout=9))
        stream = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
        frame = await stream.read()
        assert isinstance(frame, pb2.WatchRoundsResponse)
        await desk.asked.wait()

        draining = asyncio.create_task(served.server.drain())
        ended = await refused(stream.read())
        turned_away = await until_refused(served)
        assert not draining.done()
        assert await health_of(served, "readiness") == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await health_of(served, "liveness") == health_pb2.HealthCheckResponse.SERVING

        desk.release.set()
        assert await in_flight == pb2.GetRoundResponse()
        async with asyncio.timeout(20):
            await draining
    assert (ended.code, ended.reason, ended.metadata) == (
        grpc.StatusCode.UNAVAILABLE,
        "DRAINING",
        {"after": "41"},
    )
    assert (turned_away.code, turned_away.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert turned_away.retry_in_ms is not None


async def test_a_server_answers_as_before_while_balancers_look_away() -> None:
    desk = Desk()
    desk.release.set()
    async with serving(host_rounds(GetRound=desk.get), settings=config(drain_notice_ms=1_500)) as served:
        draining = asyncio.create_task(served.server.drain())
        await asyncio.sleep(0)
        assert await health_of(served, "") == health_pb2.HealthCheckResponse.NOT_SERVING
        await served.rounds.GetRound(REQUEST)
        await draining


async def test_a_call_that_does_not_end_is_cut_off_when_the_grace_is_over() -> None:
    desk = Desk()
    with capture_logs() as lines:
        async with serving(host_rounds(GetRound=desk.get), settings=config(drain_grace_ms=50)) as served:
            stuck = asyncio.ensure_future(served.rounds.GetRound(REQUEST, timeout=9))
            await desk.asked.wait()
            async with asyncio.timeout(9):
                await served.server.drain()
            assert (await refused(stuck)).code is grpc.StatusCode.UNAVAILABLE
    assert desk.reads_cancelled == 1
    assert [line["in_progress"] for line in lines if line["event"] == "calls are cut off"] == [1]


async def test_a_service_that_fails_to_let_go_is_stopped_all_the_same() -> None:
    async def fail() -> None:
        raise ConnectionError("the lease could not be given back")

    with pytest.raises(ConnectionError):
        async with serving(host_rounds(), on_drain=fail) as served:
            pass
    assert (await refused(_ask(served.server.port))).code is grpc.StatusCode.UNAVAILABLE


async def _ask(port: int) -> Any:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call: Any = channel.unary_unary("/furlong.game.v1.RoundService/GetRound")
        return await call(b"")
