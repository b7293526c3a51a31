"""Health answers by name, at the moment of the question, and tells watchers of changes."""

import asyncio
from typing import Any

import grpc
import pytest
from furlong.game.v1 import round_service_pb2 as pb2
from furlong.game.v1 import round_service_pb2_grpc as pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.chassis import health
from tests.served import Served, config, host_leases, host_rounds, refused, serving
from tests.tokens import SigningKey

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
ROUNDS = pb2.DESCRIPTOR.services_by_name["RoundService"].full_name
LEASES = "furlong.persist.v1.LeaseService"


def stub_of(served: Served) -> Any:
    return health_pb2_grpc.HealthStub(served.channel)


async def check(served: Served, name: str) -> int:
    response = await stub_of(served).Check(health_pb2.HealthCheckRequest(service=name))
    return int(response.status)


@pytest.mark.parametrize(
    ("name", "ready", "status"),
    [
        ("", True, SERVING),
        ("", False, NOT_SERVING),
        ("readiness", True, SERVING),
        ("readiness", False, NOT_SERVING),
        (ROUNDS, True, SERVING),
        (ROUNDS, False, NOT_SERVING),
        (LEASES, False, NOT_SERVING),
        ("liveness", True, SERVING),
        ("liveness", False, SERVING),
    ],
)
async def test_each_name_tells_its_own_health(name: str, ready: bool, status: int) -> None:
    async with serving(host_rounds(), host_leases()) as served:
        served.ready[0] = ready
        assert await check(served, name) == status


async def test_a_name_that_is_not_known_is_not_found() -> None:
    async with serving(host_rounds()) as served:
        call = stub_of(served).Check(health_pb2.HealthCheckRequest(service="furlong.game.v1.CourseService"))
        assert (await refused(call)).code is grpc.StatusCode.NOT_FOUND


async def test_all_names_can_be_listed() -> None:
    async with serving(host_rounds()) as served:
        served.ready[0] = False
        listed = await stub_of(served).List(health_pb2.HealthListRequest())
    assert {name: each.status for name, each in listed.statuses.items()} == {
        "": NOT_SERVING,
        "readiness": NOT_SERVING,
        "liveness": SERVING,
        ROUNDS: NOT_SERVING,
    }


async def test_health_needs_no_token(tmp_path: Any) -> None:
    settings = config(SigningKey.make().write_jwks(tmp_path / "jwks.json"))
    async with serving(host_rounds(), settings=settings) as served:
        assert await check(served, "") == SERVING


async def test_a_watcher_hears_of_every_change() -> None:
    async with serving(host_rounds()) as served:
        call = stub_of(served).Watch(health_pb2.HealthCheckRequest(service=ROUNDS))
        told = [(await call.read()).status]
        for ready in (False, True):
            served.ready[0] = ready
            told.append((await call.read()).status)
        call.cancel()
    assert told == [SERVING, NOT_SERVING, SERVING]


async def test_a_watcher_of_an_unknown_name_is_kept_and_told_that_it_is_unknown() -> None:
    async with serving(host_rounds()) as served:
        call = stub_of(served).Watch(health_pb2.HealthCheckRequest(service="nobody"))
        assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        call.cancel()


async def test_a_drained_server_tells_watchers_and_ends_their_watch_without_waiting() -> None:
    async with serving(host_rounds(), settings=config(drain_grace_ms=60_000)) as served:
        call = stub_of(served).Watch(health_pb2.HealthCheckRequest(service=ROUNDS))
        assert (await call.read()).status == SERVING
        async with asyncio.timeout(10):
            await served.server.drain()
        assert (await call.read()).status == NOT_SERVING
        assert await call.read() is grpc.aio.EOF


async def test_only_so_many_watches_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WATCHERS_MAX", 1)
    async with serving(host_rounds()) as served:
        first = stub_of(served).Watch(health_pb2.HealthCheckRequest(service=""))
        await first.read()
        second = stub_of(served).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await refused(second.read())).code is grpc.StatusCode.RESOURCE_EXHAUSTED
        first.cancel()


async def test_a_client_that_balances_by_health_calls_a_server_that_is_ready() -> None:
    async def get(_: Any, __: Any) -> Any:
        return pb2.GetRoundResponse()

    choose = '{"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":"%s"}}' % ROUNDS  # noqa: UP031 - braces
    async with serving(host_rounds(GetRound=get)) as served:
        served.ready[0] = False
        options = [("grpc.service_config", choose), ("grpc.use_local_subchannel_pool", 1)]
        target = f"127.0.0.1:{served.server.port}"
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            stub = pb2_grpc.RoundServiceStub(channel)
            assert (await refused(stub.GetRound(pb2.GetRoundRequest()))).code is grpc.StatusCode.UNAVAILABLE
            served.ready[0] = True
            await stub.GetRound(pb2.GetRoundRequest(), wait_for_ready=True, timeout=5)


@pytest.mark.parametrize("flag", ["on", "off"])
async def test_reflection_stands_behind_its_flag(flag: str) -> None:
    async with serving(host_rounds(), settings=config(reflection=flag)) as served:
        stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        if flag == "off":
            assert (await refused(call.read())).reason == "METHOD_UNKNOWN"
            return
        listed = {each.name for each in (await call.read()).list_services_response.service}
    assert listed == {ROUNDS, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
