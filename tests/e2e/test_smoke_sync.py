"""One smoke test over a synchronous channel, with the fixtures of pytest-grpc.

pytest-grpc knows no asyncio: it cannot host our servers, and its plugin is switched off for the rest of the tests. Here
its channel and its stub are used against the real gateway.
"""

from collections.abc import Callable

import grpc
import pytest
from furlong.game.v1.track_service_pb2 import ListTracksRequest
from furlong.game.v1.track_service_pb2_grpc import TrackServiceStub
from pytest_grpc.plugin import grpc_channel, grpc_stub  # noqa: F401 - pytest finds fixtures by their names

from deploy.local.stack import LocalStack

CALL_S = 10.0


@pytest.fixture(scope="module")
def grpc_create_channel(stack: LocalStack) -> Callable[[], grpc.Channel]:
    """What pytest-grpc's `grpc_channel` is made with: a way to the real gateway instead of a server of its own."""
    return lambda: grpc.insecure_channel(stack.addresses.gateway)


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type[TrackServiceStub]:
    return TrackServiceStub


def test_a_synchronous_client_reads_the_tracks(grpc_stub: TrackServiceStub, quick_track: str) -> None:  # noqa: F811
    answer = grpc_stub.ListTracks(ListTracksRequest(), timeout=CALL_S)

    assert quick_track in [track.track for track in answer.tracks]
