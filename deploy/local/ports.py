"""Ports of loopback that nobody uses.

They are taken from below the range out of which the kernel serves outgoing connections: a port of that range could be
given away while the part that owns it is being restarted. None is given twice by one process: whoever got it may not
listen there yet.
"""

import random
import socket

LOOPBACK = "127.0.0.1"
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS_MAX = 1_000

_given: set[int] = set()


class NoFreePort(RuntimeError):
    """Every port that was tried is in use."""


def free_port() -> int:
    """A port of loopback that nothing listens on, another one each time. Raises NoFreePort."""
    for _ in range(ATTEMPTS_MAX):
        port = random.randint(FIRST_PORT, LAST_PORT)  # noqa: S311  not a secret
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise NoFreePort(f"no free port between {FIRST_PORT} and {LAST_PORT} after {ATTEMPTS_MAX} attempts")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether something could listen there now; connections that are still closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
