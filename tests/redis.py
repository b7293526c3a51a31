"""A Redis server for tests that may do with it what they like: kill it, stop it, flush it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.redis import RedisServer


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a server for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="furlong-redis-") as folder:
        server = RedisServer(Path(folder) / "redis")
        server.start()
        try:
            yield server
        finally:
            resume(server)
            server.stop()


def freeze(server: RedisServer) -> None:
    """Make the server a black hole: connections are taken and nothing is ever answered."""
    assert server.pid is not None, "only a server that runs can be stopped"
    os.kill(server.pid, signal.SIGSTOP)


def resume(server: RedisServer) -> None:
    """Let a frozen server go on where it was; does nothing to one that runs or is down."""
    if server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
