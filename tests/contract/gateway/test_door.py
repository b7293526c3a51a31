"""The door of the compose stack: it passes connections on to gateways that are well, which drain before they go."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from furlong.game.v1 import track_service_pb2

from deploy.gateway import draining
from deploy.gateway.render import Address, GatewaySettings, render
from deploy.local.part import ProcessPart
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.probes import answers_http
from deploy.local.programs import ENVOY_IN_WHEEL, ENVOY_WHEEL
from tests.contract.gateway.fake_game import Context, FakeGame

COMPOSE = Path(draining.__file__).parents[1] / "compose" / "compose.yaml"
STOP_S = draining.NOTICE_S + draining.GRACE_S + 5
ON_THEIR_WAY = 20
"""Reads of each reader after which the other gateway serves all of them."""
QUIET = ("--disable-hot-restart", "--log-level", "warning", "--concurrency", "2")


def envoy() -> str:
    wheel = importlib.util.find_spec(ENVOY_WHEEL)
    assert wheel is not None
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / ENVOY_IN_WHEEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """A door and what stands behind it."""

    address: str
    gateways: Sequence[ProcessPart]


@pytest.fixture
def doors(game: FakeGame, tmp_path: Path) -> Iterator[Doors]:
    """Two gateways, each with its program around it, and the door of the stack in front of them."""
    game.answers["ListTracks"] = no_tracks
    with ExitStack() as running:
        ports = free_port(), free_port()
        gateways = [running.enter_context(a_gateway(game.port, port, tmp_path / str(port))) for port in ports]
        port = free_port()
        running.enter_context(started(door(port, ports, tmp_path)))
        yield Doors(address=f"http://{LOOPBACK}:{port}", gateways=gateways)


@contextmanager
def started(part: ProcessPart) -> Iterator[ProcessPart]:
    part.start()
    try:
        part.wait_ready()
        yield part
    finally:
        part.stop()


@contextmanager
def a_gateway(game_port: int, port: int, folder: Path) -> Iterator[ProcessPart]:
    folder.mkdir()
    admin = f"{LOOPBACK}:{free_port()}"
    settings = GatewaySettings(
        listen=Address(host=LOOPBACK, port=port),
        admin=Address.parse(admin),
        game=(Address(host=LOOPBACK, port=game_port),),
        web=Address(host=LOOPBACK, port=free_port()),
    )
    configuration = folder / "envoy.yaml"
    configuration.write_text(render(settings))
    part = ProcessPart(
        "gateway",
        command=[sys.executable, draining.__file__, admin, envoy(), "-c", str(configuration), *QUIET],
        environment=os.environ,
        folder=folder,
        log=folder / "gateway.log",
        is_ready=lambda: answers_http(admin, "/ready"),
        stop_timeout_s=STOP_S,
    )
    with started(part):
        yield part


def door(port: int, gateway_ports: Sequence[int], folder: Path) -> ProcessPart:
    """What compose.yaml starts, at a port of our own and before gateways of our own."""
    program, *arguments = command_of_door()
    configuration = yaml.safe_load(arguments[-1])
    [listener] = configuration["static_resources"]["listeners"]
    [cluster] = configuration["static_resources"]["clusters"]
    listener["address"]["socket_address"] |= {"address": LOOPBACK, "port_value": port}
    [endpoints] = cluster["load_assignment"]["endpoints"]
    endpoints["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {"address": LOOPBACK, "port_value": each}}}}
        for each in gateway_ports
    ]
    assert program == "/usr/local/bin/envoy"
    return ProcessPart(
        "door",
        command=[envoy(), *arguments[:-1], json.dumps(configuration)],
        environment=os.environ,
        folder=folder,
        log=folder / "door.log",
        is_ready=lambda: answers_http(f"{LOOPBACK}:{port}", "/ready"),
        stop_timeout_s=5.0,
    )


def command_of_door() -> Sequence[str]:
    service = yaml.safe_load(COMPOSE.read_text())["services"]["door"]
    return [*service["entrypoint"], *service["command"]]


async def no_tracks(request: Any, context: Context) -> track_service_pb2.ListTracksResponse:
    return track_service_pb2.ListTracksResponse()


def test_envoy_takes_what_compose_gives_the_door() -> None:
    program, *arguments = command_of_door()
    assert program == "/usr/local/bin/envoy"
    checked = subprocess.run([envoy(), "--mode", "validate", *arguments], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr[-2_000:]


@dataclass(slots=True)
class Reader:
    """Reads over one connection that is kept, without trying again."""

    address: str
    good: int = 0
    bad: list[str] = field(default_factory=list)

    def read(self, done: threading.Event) -> None:
        with httpx.Client(base_url=self.address, timeout=10, trust_env=False, verify=False) as client:
            while not done.is_set():
                try:
                    reply = client.get("/v1/tracks")
                except httpx.TransportError as error:
                    self.bad.append(repr(error))
                else:
                    self.good += reply.status_code == httpx.codes.OK
                    self.bad += [reply.text] if reply.status_code != httpx.codes.OK else []
                done.wait(0.02)


@contextmanager
def reading(address: str, number: int) -> Iterator[Sequence[Reader]]:
    readers, done = [Reader(address) for _ in range(number)], threading.Event()
    threads = [threading.Thread(target=reader.read, args=(done,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        yield readers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def all_read(readers: Sequence[Reader], more: int) -> None:
    goal = [reader.good + more for reader in readers]
    for _ in range(1_000):
        if all(reader.good >= wanted for reader, wanted in zip(readers, goal, strict=True)):
            return
        threading.Event().wait(0.02)
    raise AssertionError(readers)


def test_a_gateway_that_is_told_to_end_goes_without_a_failed_read(doors: Doors) -> None:
    leaving, staying = doors.gateways
    with reading(doors.address, 6) as readers:
        all_read(readers, ON_THEIR_WAY)
        leaving.stop()
        all_read(readers, ON_THEIR_WAY)

    assert leaving.exit_code == 0
    assert staying.pid is not None
    assert [reader.bad for reader in readers] == [[]] * 6


def test_a_gateway_that_dies_is_passed_over(doors: Doors) -> None:
    dying, staying = doors.gateways
    [of_envoy] = Path(f"/proc/{dying.pid}/task/{dying.pid}/children").read_text().split()
    os.kill(int(of_envoy), signal.SIGKILL)
    replies = [httpx.get(f"{doors.address}/v1/tracks", trust_env=False, verify=False) for _ in range(ON_THEIR_WAY)]

    assert {reply.status_code for reply in replies} == {httpx.codes.OK}
    assert staying.pid is not None
    dying.stop()
    assert dying.exit_code == 128 + signal.SIGKILL


def test_the_gateway_says_that_it_is_ready_at_its_own_port(doors: Doors) -> None:
    reply = httpx.get(f"{doors.address}/ready", trust_env=False, verify=False)

    assert reply.status_code == httpx.codes.OK


def test_an_envoy_that_ends_by_itself_ends_the_program_with_its_code() -> None:
    command = [sys.executable, draining.__file__, f"{LOOPBACK}:{free_port()}", sys.executable, "-c", "exit(3)"]

    assert subprocess.run(command, timeout=20, check=False).returncode == 3


def test_an_envoy_that_does_not_answer_ends_without_a_drain() -> None:
    sleeper = "import time; print('up', flush=True); time.sleep(60)"
    command = [sys.executable, draining.__file__, f"{LOOPBACK}:{free_port()}", sys.executable, "-c", sleeper]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        program.terminate()
        _, said = program.communicate(timeout=20)

    assert program.returncode == 128 + signal.SIGTERM
    assert "without a drain" in said
