"""Where a channel sends its calls, and how large they may be."""

from collections.abc import Callable

import grpc
import pytest
from furlong.client import CallRefused, open_channel
from furlong.client.channel import REQUEST_BYTES_MAX
from furlong.client.errors import from_rpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.loopback import PROBE_SERVICE, READ, Script, ask, probe_service, serving


def with_health(script: Script, servicer: health.aio.HealthServicer) -> Callable[[grpc.aio.Server], None]:
    def register(server: grpc.aio.Server) -> None:
        probe_service({READ: script.answer})(server)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)

    return register


async def test_an_address_that_reports_not_serving_gets_no_calls() -> None:
    well, ill = Script(b"well"), Script(b"ill")
    health_of_well, health_of_ill = health.aio.HealthServicer(), health.aio.HealthServicer()
    name, status = PROBE_SERVICE.full_name, health_pb2.HealthCheckResponse
    await health_of_well.set(name, status.SERVING)
    await health_of_ill.set(name, status.NOT_SERVING)
    async with (
        serving(with_health(well, health_of_well)) as first,
        serving(with_health(ill, health_of_ill)) as second,
        open_channel(f"ipv4:{first.target},{second.target}", services=[PROBE_SERVICE], health_check=True) as channel,
    ):
        for _ in range(20):
            assert await ask(channel, READ) == b"well"
        assert ill.calls == 0
        await health_of_ill.set(name, status.SERVING)
        for _ in range(500):
            await ask(channel, READ)
            if ill.calls:
                break
        assert ill.calls > 0


async def test_calls_go_to_every_address_in_turn() -> None:
    first, second = Script(b""), Script(b"")
    async with (
        serving(probe_service({READ: first.answer})) as one,
        serving(probe_service({READ: second.answer})) as two,
        open_channel(f"ipv4:{one.target},{two.target}", services=[PROBE_SERVICE]) as channel,
    ):
        for _ in range(500):
            await ask(channel, READ)
            if first.calls and second.calls:
                break
        before = (first.calls, second.calls)
        for _ in range(10):
            await ask(channel, READ)
    assert (first.calls - before[0], second.calls - before[1]) == (5, 5)


async def test_a_request_that_no_server_would_take_is_not_sent() -> None:
    script = Script(b"")
    async with (
        serving(probe_service({READ: script.answer})) as server,
        open_channel(server.target, services=[PROBE_SERVICE]) as channel,
    ):
        stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(READ)
        await stub(bytes(REQUEST_BYTES_MAX))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(bytes(REQUEST_BYTES_MAX + 1))
    refused = from_rpc(caught.value, ["id"])
    assert isinstance(refused, CallRefused)
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert script.calls == 1
