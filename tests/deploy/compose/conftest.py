"""One compose stack for all tests of this folder, with a Prometheus that is told what the stack's metrics passes on."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import pytest

from deploy.engine.daemon import Daemon
from deploy.engine.docker import Docker
from deploy.images.build import Built
from deploy.images.catalogue import reference
from deploy.local.ports import free_port
from tests.deploy.compose import prometheus
from tests.deploy.compose.otlp_bridge import Bridge, bridging
from tests.deploy.compose.stacks import RunningStack, project, running
from tests.deploy.conftest import TAG

START_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the stack tells of itself: a Prometheus that has it, and what brings it there."""

    prometheus: str
    bridge: Bridge
    port: int


@pytest.fixture(scope="session")
def figures(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    """A Prometheus, and a listener that brings it all that is passed on."""
    program = prometheus.program(Daemon().packages / "newer")
    with prometheus.running(program, tmp_path_factory.mktemp("prometheus")) as address:
        port = free_port()
        with bridged(port, address) as bridge:
            yield Figures(prometheus=address, bridge=bridge, port=port)


@contextmanager
def bridged(port: int, address: str) -> Iterator[Bridge]:
    """A bridge in a thread of its own, which goes on whatever the tests do."""
    loop, ready, leave = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[Bridge] = []

    async def serve() -> None:
        async with AsyncExitStack() as opened:
            found.append(await opened.enter_async_context(bridging(port, address)))
            ready.set()
            await leave.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="otlp bridge")
    thread.start()
    try:
        assert ready.wait(START_S), "the bridge did not start"
        yield found[0]
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def stack(
    docker: Docker, base_images: Mapping[str, str], images: Mapping[str, Built], figures: Figures
) -> Iterator[RunningStack]:
    """The stack, up to its first tracks."""
    assert {each.reference for each in images.values()} == {reference(name, tag=TAG) for name in images}
    with running(*project(docker, {**base_images, "FURLONG_TAG": TAG}, forward_port=figures.port)) as stack:
        print(f"up in {stack.up_s:.1f} s")
        yield stack
