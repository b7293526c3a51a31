"""A stack with two replicas of everything that can have them, and the ways to each."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from furlong.client import Furlong, connect

from deploy.local.stack import StackSettings
from tests.e2e.doors import GrpcDoor, doors
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack, private_stack

REPLICAS = 2

LOOK_S = 7.0
"""A game looks every five seconds for what nobody told it."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateStack]:
    """A stack with two replicas, whose parts a test may kill and has to bring back."""
    with private_stack(StackSettings(data_dir=tmp_path_factory.mktemp("two"), replicas=REPLICAS)) as running:
        yield running


@pytest.fixture(scope="module")
def cashier(two: PrivateStack) -> str:
    """A token that may place for anybody."""
    return People(two.stack).cashier


@pytest.fixture
async def door(two: PrivateStack) -> AsyncIterator[GrpcDoor]:
    async with doors(two.gateway) as (_, grpc_door):
        yield grpc_door


@pytest.fixture
async def client(two: PrivateStack, cashier: str) -> AsyncIterator[Furlong]:
    """A client of the gateway."""
    async with connect(two.gateway, token=cashier) as furlong:
        yield furlong


@pytest.fixture
async def games(two: PrivateStack) -> AsyncIterator[list[Furlong]]:
    """A client of each game, past the gateway, in the order of their numbers."""
    async with AsyncExitStack() as exits:
        yield [await exits.enter_async_context(connect(game)) for game in two.stack.addresses.game.split(",")]


@pytest.fixture
def leader(two: PrivateStack) -> "Leader":
    return Leader(two)


class Leader:
    """Finds out which game leads a track."""

    def __init__(self, two: PrivateStack) -> None:
        self._logs = {f"game-{n}": two.stack.logs / f"game-{n}.log" for n in range(1, REPLICAS + 1)}

    def of(self, track: str) -> str:
        """The part that took the lead last, as its log has it."""
        return max((epoch, name) for name in self._logs for epoch in [0, *self._epochs(name, track)])[1]

    def _epochs(self, name: str, track: str) -> Iterator[int]:
        for line in self._logs[name].read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):  # the last one may only be half written
                entry = json.loads(line)
                if entry.get("event") == "leading" and entry.get("track") == track:
                    yield entry["epoch"]
