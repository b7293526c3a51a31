"""One process of the stack: how it is started, watched and ended.

The kernel kills a part when the thread that started it dies, even by SIGKILL, so nothing is left behind. Start parts
from a thread that lives as long as they are wanted.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from deploy.local.postgres import PostgresFailed, PostgresServer
from deploy.local.redis import RedisFailed, RedisServer

POLL_S = 0.05
READY_TIMEOUT_S = 60.0
LOG_BYTES_MAX = 32 << 20
LOG_TAIL_CHARACTERS = 2_000


class PartFailed(RuntimeError):
    """A part did not become ready; the message says which and ends with the tail of its log."""


class Part(Protocol):
    """What the stack needs of a part."""

    name: str

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""

    def start(self) -> None:
        """Start it; does nothing while it runs."""

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until it serves. Raises PartFailed when it ends first, or does not in time."""

    def stop(self) -> None:
        """End it in order; does nothing while it is down."""

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""


class ProcessPart:
    """A part that is a program of its own, with its log in a file.

    `is_ready` asks it whether it serves. `stop_timeout_s` is the time that it is given to end before it is killed.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        is_ready: Callable[[], bool],
        stop_timeout_s: float,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._folder = folder
        self._is_ready = is_ready
        self._stop_timeout_s = stop_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs or was never started."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        """Start the program; does nothing while it runs."""
        if self.pid is not None:
            return
        self.trim_log()
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
                start_new_session=True,  # Ctrl-C at the terminal is for the stack, which ends its parts in order
            )

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until it serves. Raises PartFailed with the tail of its log."""
        deadline_s = time.monotonic() + timeout_s
        while not self._is_ready():
            if self.pid is None:
                raise PartFailed(f"{self.name} ended with code {self.exit_code} before it was ready{self._said()}")
            if time.monotonic() >= deadline_s:
                raise PartFailed(f"{self.name} was not ready after {timeout_s:.0f} s{self._said()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Ask it to end, and kill it when it takes too long."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def trim_log(self) -> None:
        """Keep the log within its bound: a log that outgrew it becomes `<name>.1` and begins anew."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(self.log, self.log.with_name(self.log.name + ".1"))
            os.truncate(self.log, 0)  # the part writes on at the end: its file is open for appending

    def _said(self) -> str:
        with self.log.open("rb") as log:
            log.seek(min(self._log_start, self.log.stat().st_size))
            text = log.read().decode(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
        return f"; its log {self.log} ends with:\n{text}" if text else f"; it said nothing in {self.log}"


class PostgresPart:
    """The database as a part: `PostgresServer` does the work, and is ready when its start returns."""

    name = "postgres"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    @property
    def pid(self) -> int | None:
        """The process that heads the server; None while it is down."""
        return self._server.pid

    def start(self) -> None:
        """Start the server, after a crash by replaying its log. Raises PartFailed with what it said."""
        try:
            self._server.start()
        except PostgresFailed as failed:
            raise PartFailed(str(failed)) from failed

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Nothing is left to wait for once it has started. Raises PartFailed when it is down."""
        if self.pid is None:
            raise PartFailed(f"{self.name} is down")

    def stop(self) -> None:
        """End it in order, with everything on disk."""
        self._server.stop()

    def kill(self) -> None:
        """End its head with SIGKILL."""
        self._server.kill()


class RedisPart:
    """Redis as a part: `RedisServer` does the work, and is ready when its start returns."""

    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return self._server.pid

    def start(self) -> None:
        """Start the server, empty. Raises PartFailed with what it said."""
        try:
            self._server.start()
        except RedisFailed as failed:
            raise PartFailed(str(failed)) from failed

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Nothing is left to wait for once it has started. Raises PartFailed when it is down."""
        if self.pid is None:
            raise PartFailed(f"{self.name} is down")

    def stop(self) -> None:
        """End it in order."""
        self._server.stop()

    def kill(self) -> None:
        """End it with SIGKILL; what it held is gone."""
        self._server.kill()
