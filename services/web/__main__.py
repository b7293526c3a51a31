"""web: `python -m services.web`. The only place that builds its parts."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn
from opentelemetry import trace
from starlette.types import ASGIApp

from services.chassis.launch import launch
from services.chassis.server_config import is_loopback
from services.chassis.tls import open_files
from services.web.config import SiteServerConfig, WebConfig
from services.web.secure import RenewedContext, protocol
from services.web.site import PAGES, health, site

NAME = "web"
CALLERS = frozenset(("gateway",))
"""The parts that may call web, where parts speak TLS."""
IDLE_CONNECTION_S = 75
"""How long a connection is kept without a request; the gateway lets go of it earlier."""
MS_PER_S = 1_000

log = structlog.get_logger(__name__)


class SiteServer(uvicorn.Server):
    """uvicorn's server. A signal ends it in order and is not raised again, so telemetry is still sent."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take SIGTERM and SIGINT as the wish to end; the second one does not wait for requests in flight."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            log.info("serving", host=host, port=port)


class HealthServer(SiteServer):
    """Tells health in clear text, for as long as the server beside it runs."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the other server."""
        yield


async def run(config: WebConfig) -> None:
    """Serve until told to end."""
    server = config.server
    pages = SiteServer(_configuration(server, site(PAGES, trace.get_tracer_provider()), server.port, **_tls(server)))
    if not server.health_port:
        await pages.serve()
        return
    told = HealthServer(_configuration(server, health(), server.health_port))
    telling = asyncio.create_task(told.serve(), name="health")
    try:
        await pages.serve()
    finally:
        told.should_exit = True
        await telling


def _tls(config: SiteServerConfig) -> dict[str, Any]:
    """What the server needs to know for mutual TLS; nothing where parts speak in clear text."""
    files = open_files(config.tls)
    if files is not None:
        context = RenewedContext(config.tls, files)
        return {"ssl_context_factory": lambda *_: context, "http": protocol(CALLERS)}
    if not is_loopback(config.host):
        log.warning("clear text: whoever is on the network may read and call", service=NAME)
    return {}


def _configuration(config: SiteServerConfig, app: ASGIApp, port: int, **tls: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=config.host,
        port=port,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=config.requests_max,
        timeout_keep_alive=IDLE_CONNECTION_S,
        timeout_graceful_shutdown=config.drain_grace_ms // MS_PER_S,
        **tls,
    )


if __name__ == "__main__":
    launch(NAME, WebConfig, run)
