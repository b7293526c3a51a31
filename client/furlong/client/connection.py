"""One connection to Furlong, with everything that can be asked over it."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import grpc
from furlong.cache.v1 import cache_service_pb2
from furlong.client.accounts import Accounts
from furlong.client.cache import Cache
from furlong.client.channel import open_channel
from furlong.client.metrics import Metrics
from furlong.client.rounds import Rounds
from furlong.client.tickets import Tickets
from furlong.client.tracks import Tracks
from furlong.game.v1 import account_service_pb2, round_service_pb2, ticket_service_pb2, track_service_pb2
from furlong.metrics.v1 import metrics_service_pb2

DEFAULT_TARGET = "localhost:8080"

SERVICES = [
    service
    for file in (
        track_service_pb2,
        round_service_pb2,
        ticket_service_pb2,
        account_service_pb2,
        metrics_service_pb2,
        cache_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
]


class Furlong:
    """An open connection. Use it as an async context manager, or close it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.tracks = Tracks(channel)
        self.rounds = Rounds(channel)
        self.tickets = Tickets(channel)
        self.accounts = Accounts(channel)
        self.metrics = Metrics(channel)
        self.cache = Cache(channel)

    async def close(self) -> None:
        """End all calls and the connection."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(target: str = DEFAULT_TARGET, *, token: str | Callable[[], str | None] | None = None) -> Furlong:
    """Open a connection to the gateway at `target`, "host:port", inside a running event loop.

    `token` is a bearer token, or a function that gives the one to use now; without it, only what everybody may do
    is allowed. Nothing is sent before the first call.
    """
    bearer = (lambda: token) if isinstance(token, str) else token
    return Furlong(open_channel(target, services=SERVICES, token=bearer))
