"""A server that could not keep its promises does not start; one that starts says so and ends on a signal."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from furlong.common.v1 import policy_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.chassis.launch import EXIT_CONFIG_UNUSABLE
from services.chassis.server import Hosted
from services.chassis.tokens import KeysUnusable
from tests.served import config, host_leases, host_rounds, serving

EMPTY_SERVICE = """
from dataclasses import dataclass
from services.chassis.clock import SystemClock
from services.chassis.launch import launch
from services.chassis.server import ServerConfig, serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    server: ServerConfig


async def nothing():
    pass


async def run(config):
    await serve(
        name="empty", config=config.server, hosted=(), validators={}, liveness=lambda: True, readiness=lambda: True,
        on_drain=nothing, clock=SystemClock(), callers=frozenset(),
    )


launch("empty", Config, run)
"""


def describe(policy: policy_pb2.MethodPolicy | None) -> ServiceDescriptor:
    """Make up a service of one method, with a policy or without."""
    file = descriptor_pb2.FileDescriptorProto(
        name="furlong/tests/v1/lax_service.proto",
        package="furlong.tests.v1",
        syntax="proto3",
        dependency=[empty_pb2.DESCRIPTOR.name, policy_pb2.DESCRIPTOR.name],
    )
    method = file.service.add(name="LaxService").method.add(
        name="Do", input_type=".google.protobuf.Empty", output_type=".google.protobuf.Empty"
    )
    if policy is not None:
        method.options.Extensions[policy_pb2.policy].CopyFrom(policy)
    pool = descriptor_pool.DescriptorPool()
    for known in (descriptor_pb2.DESCRIPTOR, empty_pb2.DESCRIPTOR, policy_pb2.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("furlong.tests.v1.LaxService")


@pytest.mark.parametrize(
    "policy",
    [None, policy_pb2.MethodPolicy(roles=[policy_pb2.ANYONE]), policy_pb2.MethodPolicy(deadline_ms=1_000)],
    ids=["no policy", "no deadline", "no admission class"],
)
async def test_a_method_is_refused_with(policy: policy_pb2.MethodPolicy | None) -> None:
    hosted = Hosted(add=lambda *_: None, servicer=object(), descriptor=describe(policy))
    with pytest.raises(ValueError, match="LaxService/Do has"):
        async with serving(hosted):
            pass


async def test_a_method_that_would_stop_the_whole_server_is_refused() -> None:
    def block(_: Any, __: Any) -> Any:
        return None

    with pytest.raises(ValueError, match="AcquireLease is neither a coroutine"):
        async with serving(host_leases(AcquireLease=block)):
            pass


async def test_a_server_without_its_keys_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable):
        async with serving(host_rounds(), settings=config(tmp_path / "missing.json")):
            pass


async def test_a_port_is_taken_by_one_server_only() -> None:
    async with serving(host_rounds()) as first:
        with pytest.raises(RuntimeError):
            async with serving(host_rounds(), settings=config(port=first.server.port)):
                pass


@asynccontextmanager
async def started(environ: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        EMPTY_SERVICE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environ},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_until(process: asyncio.subprocess.Process, event: str) -> SimpleNamespace:
    assert process.stderr is not None
    async with asyncio.timeout(30):
        async for line in process.stderr:
            told = json.loads(line)
            if told["event"] == event:
                return SimpleNamespace(**told)
    raise AssertionError(f"the process ended without {event!r}")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_serves_until_a_signal_and_then_drains(sent: signal.Signals) -> None:
    async with started({"FURLONG_AUTH": "off"}) as process:
        assert (await read_until(process, "configuration")).FURLONG_AUTH == "off"
        serving_at = await read_until(process, "serving")
        assert (serving_at.service, serving_at.host) == ("empty", "127.0.0.1")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{serving_at.port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            healthy = await stub.Check(health_pb2.HealthCheckRequest(service="liveness"), timeout=5)
            assert healthy.status == health_pb2.HealthCheckResponse.SERVING
        process.send_signal(sent)
        await read_until(process, "drained")
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def test_a_process_with_a_wrong_environment_tells_every_error_and_ends() -> None:
    async with started({"FURLONG_AUTH": "off", "FURLONG_PORT": "http", "LOG_LEVEL": "loud"}) as process:
        _, told = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == EXIT_CONFIG_UNUSABLE
    assert told.decode().splitlines() == [
        "FURLONG_PORT is 'http'; it must be 0 to 65535",
        "LOG_LEVEL is 'loud'; it must be one of debug, info, warning, error",
    ]


async def test_an_endpoint_for_telemetry_that_is_gone_does_not_hold_a_process() -> None:
    environ = {"FURLONG_AUTH": "off", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    async with started(environ | {"OTEL_TRACES_SAMPLER_ARG": "1"}) as process:
        await read_until(process, "serving")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await process.wait() == 0
