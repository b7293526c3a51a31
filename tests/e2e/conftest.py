"""One stack for all end-to-end tests, tracks and people on it, the ways in, and a second stack to be broken."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import httpx
import pytest

from deploy.local.stack import LocalStack, StackSettings
from tests.e2e.books import Books
from tests.e2e.doors import Door, GrpcDoor, RestDoor, http_client
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack, private_stack
from tests.e2e.racing import FAST, SLOW, new_track, only_for_now
from tests.stack import running_stack

LEASE_MS = 1_000
"""Shorter than usual, so that a killed holder is missed for a shorter time."""
OWN_WRITES_MAX = 50


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack that runs, without a track. Its parts are everybody's: a test that kills one has a stack of its own."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateStack]:
    """A second stack, with low limits, whose parts a test may kill and bring back."""
    folder = tmp_path_factory.mktemp("own")
    game = {"LEASE_TTL_MS": str(LEASE_MS), "ADMISSION_WRITE_MAX": str(OWN_WRITES_MAX)}
    with private_stack(StackSettings(data_dir=folder, extra_env={"game": game})) as running:
        yield running


@pytest.fixture(autouse=True)
def tracks_rest() -> Iterator[None]:
    """A track that a test made opens no rounds any more when the test is over; those of wider fixtures go on."""
    with only_for_now():
        yield


@pytest.fixture(scope="session")
def own_people(own: PrivateStack) -> People:
    """Tokens for the second stack."""
    return People(own.stack)


@pytest.fixture(scope="session")
def people(stack: LocalStack) -> People:
    """Tokens for those whom the tests act as."""
    return People(stack)


@pytest.fixture(scope="session")
def quick_track(stack: LocalStack) -> str:
    """A track whose rounds take three seconds."""
    return asyncio.run(new_track(stack, "quick", FAST))


@pytest.fixture(scope="session")
def steady_track(stack: LocalStack) -> str:
    """A track whose first round stays OPEN; tests share it and must not void it."""
    return asyncio.run(new_track(stack, "steady", SLOW))


@pytest.fixture(scope="session")
def bare_track(stack: LocalStack) -> str:
    """A track without a race card; tests share it and must not give it one."""
    return asyncio.run(new_track(stack, "bare", SLOW, cards=()))


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client towards the gateway."""
    async with http_client(stack.addresses.gateway) as client:
        yield client


@pytest.fixture
async def channel(stack: LocalStack) -> AsyncIterator[grpc.aio.Channel]:
    """A bare gRPC channel to the gateway."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(stack.addresses.gateway, options=options) as opened:
        yield opened


@pytest.fixture
def rest_door(http: httpx.AsyncClient) -> RestDoor:
    """The gateway over REST."""
    return RestDoor(http)


@pytest.fixture
def grpc_door(channel: grpc.aio.Channel) -> GrpcDoor:
    """The gateway over gRPC."""
    return GrpcDoor(channel)


@pytest.fixture(params=["REST", "gRPC"])
def door(request: pytest.FixtureRequest) -> Door:
    """The gateway over either; a test that asks for it runs once with each."""
    found: Door = request.getfixturevalue({"REST": "rest_door", "gRPC": "grpc_door"}[request.param])
    return found


@pytest.fixture
async def books(stack: LocalStack) -> AsyncIterator[Books]:
    """The tables of the stack."""
    async with Books.open(stack.addresses.database_url) as opened:
        yield opened
