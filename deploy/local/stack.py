"""The whole of Furlong on one machine: PostgreSQL, persist, game, web and the gateway, started, supervised and ended.

    start    postgres ─▶ migrations ─▶ persist      (game, web and gateway start meanwhile)
    stop     gateway ─▶ web ─▶ game ─▶ persist ─▶ postgres

Everything is kept in one folder, which outlives restarts:

    keys/                     see keys.py
    token, service.token      the development token, and game's token towards persist; renewed at every start
    postgres/                 the database
    logs/<part>.log           one JSON object a line
    envoy.yaml                the gateway's configuration as it was rendered
    lock, state.json          who runs on this folder, and where

Ports are chosen once a run, so a part that is started again is found where it was.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from deploy.local.folder import DataFolder, RunningState
from deploy.local.keys import KeyRing, write_private
from deploy.local.part import LOG_TAIL_CHARACTERS, POLL_S, READY_TIMEOUT_S, Part, PartFailed, PostgresPart, ProcessPart
from deploy.local.ports import LOOPBACK, free_port, is_free
from deploy.local.postgres import PostgresServer
from deploy.local.probes import answers_http
from deploy.local.programs import (
    ROOT,
    Addresses,
    StackSettings,
    game_part,
    gateway_part,
    migration,
    persist_part,
    web_part,
)
from deploy.local.supervisor import Supervisor

__all__ = ["Addresses", "LocalStack", "PortTaken", "StackSettings"]

STOP_ORDER = ("gateway", "web", "game", "persist", "postgres")
MIGRATION_TIMEOUT_S = 300


class PortTaken(RuntimeError):
    """Something else listens where the gateway should."""


class LocalStack:
    """One stack on one folder. `say` is told, in words for people, what happens.

    Use it from one thread that lives as long as the stack: the kernel ties the parts to it.
    """

    def __init__(self, settings: StackSettings, say: Callable[[str], None] = lambda text: None) -> None:
        self._settings = settings
        self._say = say
        self._folder = DataFolder(settings.data_dir.resolve())
        self._parts: dict[str, Part] = {}
        self._supervisor: Supervisor | None = None
        self._addresses: Addresses | None = None
        self._keys: KeyRing | None = None

    @property
    def addresses(self) -> Addresses:
        """Where the stack answers; valid once `start` has returned."""
        assert self._addresses is not None, "the stack was not started"
        return self._addresses

    @property
    def token_file(self) -> Path:
        """The file of the development token."""
        return self._folder.path / "token"

    @property
    def logs(self) -> Path:
        """The folder of the parts' logs."""
        return self._folder.path / "logs"

    def token(self, *, roles: Sequence[str], accounts: Sequence[str], subject: str = "developer") -> str:
        """A token with these roles for these accounts; `"*"` is every account."""
        assert self._keys is not None, "the stack was not started"
        return self._keys.token(subject=subject, roles=roles, accounts=accounts)

    def part(self, name: str) -> Part:
        """A part by its name: gateway, web, game, persist, or postgres where the database is our own."""
        return self._parts[name]

    def start(self) -> None:
        """Bring everything up and return when calls are answered through the gateway.

        Raises FolderBusy when a stack runs on the folder already, PortTaken, PartFailed, or ProgramMissing; what was
        started is ended again.
        """
        self._folder.take()
        try:
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every part in order and let go of the folder. May be called at any time."""
        for name in STOP_ORDER:
            part = self._parts.pop(name, None)
            if part is not None and part.pid is not None:
                self._say(f"ending {name}")
                part.stop()
        self._supervisor = None
        self._folder.release()

    def supervise_once(self) -> None:
        """Start what died. Call it several times a second."""
        assert self._supervisor is not None, "the stack was not started"
        if self._supervisor.look():
            self._record()
        for part in self._parts.values():
            if isinstance(part, ProcessPart):
                part.trim_log()

    def _start_parts(self) -> None:
        folder, settings = self._folder.path, self._settings
        self.logs.mkdir(mode=0o700, exist_ok=True)
        keys = self._keys = KeyRing(folder / "keys")
        write_private(self.token_file, keys.token() + "\n")
        self._addresses = Addresses(
            gateway=f"{LOOPBACK}:{self._gateway_port()}",
            game=f"{LOOPBACK}:{free_port()}",
            persist=f"{LOOPBACK}:{free_port()}",
            web=f"{LOOPBACK}:{free_port()}",
            envoy_admin=f"{LOOPBACK}:{free_port()}",
            database_url=settings.database_url or "",
        )

        self._start_part(gateway_part(settings, self._addresses, folder))
        self._start_part(web_part(settings, self._addresses, folder))
        self._start_part(game_part(settings, self._addresses, folder, keys))
        if settings.database_url is None:
            server = PostgresServer(folder / "postgres", port=free_port())
            self._start_part(PostgresPart(server))
            self._addresses = replace(self._addresses, database_url=server.url)
        self._migrate()
        self._start_part(persist_part(settings, self._addresses, folder, keys))

        for name in reversed(STOP_ORDER):
            if name in self._parts:
                self._parts[name].wait_ready()
                self._say(f"{name} is ready")
        self._wait_answered()
        self._record()
        self._supervisor = Supervisor(
            [self._parts[name] for name in reversed(STOP_ORDER) if name in self._parts], self._say
        )

    def _start_part(self, part: Part) -> None:
        self._parts[part.name] = part  # before it runs, so that `stop` finds it whatever happens
        part.start()
        self._record()

    def _gateway_port(self) -> int:
        port = self._settings.gateway_port
        if port and not is_free(port):
            raise PortTaken(f"port {port} is in use by another program; set GATEWAY_PORT to another one")
        return port or free_port()

    def _migrate(self) -> None:
        """Bring the schema up to date."""
        command, environment = migration(self.addresses)
        done = subprocess.run(
            ["setpriv", "--pdeathsig=KILL", *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=MIGRATION_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-LOG_TAIL_CHARACTERS:]
            raise PartFailed(f"the database could not be migrated; the migration ended with:\n{said}")

    def _wait_answered(self) -> None:
        """Every part says that it is ready; wait for the first answer that passes through all of them."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not answers_http(self.addresses.gateway, "/v1/tracks"):
            if time.monotonic() >= deadline_s:
                raise PartFailed(f"no answer through the gateway after {READY_TIMEOUT_S:.0f} s; see {self.logs}")
            time.sleep(POLL_S)

    def _record(self) -> None:
        up = {name: pid for name, part in self._parts.items() if (pid := part.pid) is not None}
        self._folder.write(RunningState(pid=os.getpid(), gateway=self.addresses.gateway, parts=up))
