"""The whole of Furlong on one machine: every service, its databases and the gateway, started, supervised and ended.

    start    postgres ─▶ migrations ─▶ persist      (all others start meanwhile)
    stop     gateway ─▶ web ─▶ game ─▶ persist ─▶ cache ─▶ metrics ─▶ redis ─▶ postgres

postgres, persist, game and gateway are what tickets need: a stack without them does not start. The others make it
faster and better to look at: the start does not fail by them, and waits for them a moment at most.

Everything is kept in one folder, which outlives restarts:

    keys/                     see keys.py
    token, <service>.token    the development token, and those that services show each other; renewed at every start
    postgres/, redis/         the database, and the cache's Redis, of which only the password outlives it
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
from deploy.local.part import (
    LOG_TAIL_CHARACTERS,
    POLL_S,
    READY_TIMEOUT_S,
    Part,
    PartFailed,
    PostgresPart,
    ProcessPart,
    RedisPart,
)
from deploy.local.ports import LOOPBACK, free_port, is_free
from deploy.local.postgres import PostgresServer
from deploy.local.probes import answers_http
from deploy.local.programs import (
    ROOT,
    Addresses,
    StackSettings,
    cache_parts,
    game_parts,
    gateway_part,
    metrics_part,
    migration,
    persist_parts,
    web_part,
)
from deploy.local.redis import RedisServer
from deploy.local.supervisor import Supervisor

__all__ = ["Addresses", "LocalStack", "PortTaken", "StackSettings"]

STOP_ORDER = ("gateway", "web", "game", "persist", "cache", "metrics", "redis", "postgres")
NOT_NEEDED = frozenset(("web", "cache", "metrics", "redis"))
"""Parts without which every answer is the same."""
NOT_NEEDED_READY_TIMEOUT_S = 3.0
"""How long a start whose needed parts are ready waits for the others, all together."""
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

    def token(
        self, *, roles: Sequence[str], accounts: Sequence[str], subject: str = "developer", terminal: str = ""
    ) -> str:
        """A token with these roles for these accounts, `"*"` is every account, bound to `terminal` if one is named."""
        assert self._keys is not None, "the stack was not started"
        return self._keys.token(subject=subject, roles=roles, accounts=accounts, terminal=terminal)

    def part(self, name: str) -> Part:
        """A part by its name: gateway, web, metrics, and postgres and redis where they are our own.

        game, persist and cache have a number where there are replicas of them: game-1, game-2.
        """
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
        for part in sorted(self._parts.values(), key=_place_to_stop):
            if part.pid is not None:
                self._say(f"ending {part.name}")
                part.stop()
        self._parts.clear()
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
            game=_free_addresses(settings.replicas),
            persist=_free_addresses(settings.replicas),
            cache=_free_addresses(settings.replicas),
            metrics=_free_addresses(),
            otlp=_free_addresses(),
            web=_free_addresses(),
            envoy_admin=_free_addresses(),
            database_url=settings.database_url or "",
            redis_url=settings.redis_url or "",
        )
        self._start_parts_that_wait_for_none(keys)
        if settings.database_url is None:
            server = PostgresServer(folder / "postgres", port=free_port())
            self._start_part(PostgresPart(server))
            self._addresses = replace(self._addresses, database_url=server.url)
        self._migrate()
        for part in persist_parts(settings, self._addresses, folder, keys):
            self._start_part(part)

        self._wait_ready()
        self._wait_answered()
        self._record()
        self._supervisor = Supervisor(self._in_order(), self._say)

    def _start_parts_that_wait_for_none(self, keys: KeyRing) -> None:
        folder, settings = self._folder.path, self._settings
        self._start_part(gateway_part(settings, self.addresses, folder))
        for part in game_parts(settings, self.addresses, folder, keys):
            self._start_part(part)
        if settings.redis_url is None:
            redis = RedisServer(folder / "redis", port=free_port())
            self._start_part(RedisPart(redis))
            self._addresses = replace(self.addresses, redis_url=redis.url)
        for part in cache_parts(settings, self.addresses, folder, keys):
            self._start_part(part)
        self._start_part(metrics_part(settings, self.addresses, folder, keys))
        self._start_part(web_part(settings, self.addresses, folder))

    def _start_part(self, part: Part) -> None:
        self._parts[part.name] = part  # before it runs, so that `stop` finds it whatever happens
        try:
            part.start()
        except PartFailed as failed:
            if _kind(part) not in NOT_NEEDED:
                raise
            self._say(f"going on without {part.name}: {failed}")
        self._record()

    def _wait_ready(self) -> None:
        """Wait for the needed parts, then a moment for the others."""
        for part in self._in_order():
            if _kind(part) not in NOT_NEEDED:
                part.wait_ready()
                self._say(f"{part.name} is ready")
        deadline_s = time.monotonic() + NOT_NEEDED_READY_TIMEOUT_S
        for part in self._in_order():
            if _kind(part) in NOT_NEEDED:
                try:
                    part.wait_ready(max(deadline_s - time.monotonic(), 0))
                except PartFailed as failed:
                    self._say(f"going on without {part.name}: {failed}")
                else:
                    self._say(f"{part.name} is ready")

    def _in_order(self) -> list[Part]:
        """The parts, in the order in which one stands on another."""
        return sorted(self._parts.values(), key=_place_to_stop, reverse=True)

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
        authority = self._settings.public_authority
        while not answers_http(self.addresses.gateway, "/v1/tracks", authority):
            if time.monotonic() >= deadline_s:
                raise PartFailed(f"no answer through the gateway after {READY_TIMEOUT_S:.0f} s; see {self.logs}")
            time.sleep(POLL_S)

    def _record(self) -> None:
        up = {name: pid for name, part in self._parts.items() if (pid := part.pid) is not None}
        self._folder.write(RunningState(pid=os.getpid(), gateway=self.addresses.gateway, parts=up))


def _kind(part: Part) -> str:
    """What a part is, without the number of the replica."""
    return part.name.partition("-")[0]


def _place_to_stop(part: Part) -> int:
    return STOP_ORDER.index(_kind(part))


def _free_addresses(replicas: int = 1) -> str:
    """Places of loopback where nothing listens, as `Addresses` has them."""
    ports: set[int] = set()
    while len(ports) < replicas:
        ports.add(free_port())
    return ",".join(f"{LOOPBACK}:{port}" for port in ports)
