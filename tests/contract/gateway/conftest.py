"""A real gateway in front of a fake game."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.part import ProcessPart
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.programs import Addresses, StackSettings, gateway_part
from tests.contract.gateway.fake_game import FakeGame


@pytest.fixture(scope="session")
def running_game() -> Iterator[FakeGame]:
    game = FakeGame()
    game.start(free_port())
    yield game
    game.close()


@pytest.fixture(scope="session")
def gateway(running_game: FakeGame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway, as host:port."""
    folder = tmp_path_factory.mktemp("gateway")
    part, address = start_gateway(folder, running_game.port, StackSettings(data_dir=folder))
    yield address
    part.stop()


@pytest.fixture
def game(running_game: FakeGame) -> FakeGame:
    """The fake game behind the gateway, which has forgotten every earlier test."""
    running_game.forget()
    return running_game


@pytest.fixture
def rest(gateway: str) -> Iterator[httpx.Client]:
    # Nothing is encrypted here, and reading the certificates takes longer than a test.
    with httpx.Client(base_url=f"http://{gateway}", timeout=10, trust_env=False, verify=False) as client:
        yield client


def start_gateway(folder: Path, game_port: int, settings: StackSettings) -> tuple[ProcessPart, str]:
    (folder / "logs").mkdir()
    addresses = Addresses(
        gateway=f"{LOOPBACK}:{free_port()}",
        game=f"{LOOPBACK}:{game_port}",
        persist="",
        web=f"{LOOPBACK}:{free_port()}",
        envoy_admin=f"{LOOPBACK}:{free_port()}",
        database_url="",
    )
    part = gateway_part(settings, addresses, folder)
    part.start()
    part.wait_ready()
    return part, addresses.gateway
