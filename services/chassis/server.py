"""A server: registers services behind the stages, tells its health, and goes away without losing a call.

main
"""

from collections.abc import Awaitable, Callable, Sequence

from services.chassis.clock import Clock
from services.chassis.hosted import Hosted
from services.chassis.server_config import ServerConfig
from services.chassis.validation import Validators

__all__ = ["Hosted", "Server", "ServerConfig", "serve"]


class Server:
    """One gRPC server in this process; for tests, `start()` and `drain()` can be called by hand."""

    def __init__(
        self,
        *,
        name: str,
        config: ServerConfig,
        hosted: Sequence[Hosted],
        validators: Validators,
        liveness: Callable[[], bool],
        readiness: Callable[[], bool],
        on_drain: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The port that the server listens on, once started."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begin to serve."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Stop without losing a call."""
        raise NotImplementedError


async def serve(
    *,
    name: str,
    config: ServerConfig,
    hosted: Sequence[Hosted],
    validators: Validators,
    liveness: Callable[[], bool],
    readiness: Callable[[], bool],
    on_drain: Callable[[], Awaitable[None]],
    clock: Clock,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    raise NotImplementedError
