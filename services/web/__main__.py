"""web: `python -m services.web`. The only place that builds its parts."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import structlog
import uvicorn
from opentelemetry import trace

from services.chassis.launch import launch
from services.web.config import SiteServerConfig, WebConfig
from services.web.site import PAGES, site

NAME = "web"
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


async def run(config: WebConfig) -> None:
    """Serve until told to end."""
    await _server(config.server).serve()


def _server(config: SiteServerConfig) -> SiteServer:
    return SiteServer(
        uvicorn.Config(
            site(PAGES, trace.get_tracer_provider()),
            host=config.host,
            port=config.port,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=config.requests_max,
            timeout_keep_alive=IDLE_CONNECTION_S,
            timeout_graceful_shutdown=config.drain_grace_ms // MS_PER_S,
        )
    )


if __name__ == "__main__":
    launch(NAME, WebConfig, run)
