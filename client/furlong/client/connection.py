"""One connection to Furlong, with everything that can be asked over it."""

import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import grpc
from furlong.cache.v1 import cache_service_pb2
from furlong.client.accounts import Accounts
from furlong.client.cache import Cache
from furlong.client.channel import open_channel
from furlong.client.metrics import Metrics
from furlong.client.rounds import Rounds
from furlong.client.tickets import Tickets
from furlong.client.tls import ChannelTls, TlsFiles, TlsMaterial, TlsUnusable
from furlong.client.tracks import Tracks
from furlong.game.v1 import account_service_pb2, round_service_pb2, ticket_service_pb2, track_service_pb2
from furlong.metrics.v1 import metrics_service_pb2

DEFAULT_TARGET = "localhost:8080"
CLEAR, SECURE = "http://", "https://"
SECURE_PORT = 443

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


def connect(
    target: str = DEFAULT_TARGET,
    *,
    token: str | Callable[[], str | None] | None = None,
    ca_file: Path | None = None,
) -> Furlong:
    """Open a connection to the gateway at `target`, "host:port", inside a running event loop.

    `https://host:port` is spoken to over TLS, and any target is when there is a `ca_file`: the authorities, PEM, that
    are trusted in place of the public ones. Everything else is clear text, for a gateway on this machine or behind
    something that speaks TLS. `token` is a bearer token, or a function that gives the one to use now; without it, only
    what everybody may do is allowed. Nothing is sent before the first call. Raises TlsUnusable, and ValueError for a
    `ca_file` with `http://`.
    """
    bearer = (lambda: token) if isinstance(token, str) else token
    address, tls = _door(target, ca_file)
    return Furlong(open_channel(address, services=SERVICES, token=bearer, tls=tls))


def _door(target: str, ca_file: Path | None) -> tuple[str, ChannelTls | None]:
    """Tell the address and how it is spoken to."""
    secure = target.startswith(SECURE) or ca_file is not None
    if target.startswith(CLEAR) and secure:
        raise ValueError(f"{target!r} is clear text, which needs no authority")
    address = target.removeprefix(SECURE).removeprefix(CLEAR).rstrip("/")
    if not secure:
        return address, None
    if urlsplit(f"//{address}").port is None:
        address = f"{address}:{SECURE_PORT}"
    return address, ChannelTls(files=TlsFiles(authority=ca_file, check=lambda found: _check(ca_file, found)))


def _check(ca_file: Path | None, found: TlsMaterial) -> None:
    if ca_file is None or found.authority is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found.authority.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise TlsUnusable(ca_file, "holds no certificate in PEM") from error
