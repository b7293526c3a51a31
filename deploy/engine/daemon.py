"""An engine of our own: `dockerd` from Debian's packages on a folder of its own, beside any other on the machine.

Layout of its folder, which outlives the engine so that the next start finds the images of the last one:

    data/           what the engine keeps: images, containers, volumes
    run/            its sockets and its process id, gone with it
    config/         what `docker` reads: the plugin for compose
    packages/       Debian packages that stand-ins are made of
    engine.log      what it said
    kept            there while `start` asked for the engine to stay; `stop` takes it away
    users           locked by everybody who uses the engine; who leaves last ends it, unless it is kept
    turns           locked by whoever starts or ends it

It has no default network: containers get one that is made for them, or none, so that it gets on with an engine that
the machine may start later, and so that a build that would ask the network fails.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.engine import packages
from deploy.engine.docker import Docker, EngineMissing

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
POLL_S = 0.1
LOG_TAIL_CHARACTERS = 1_500
NETWORKS = "base=10.213.0.0/16,size=24"
"""Where the networks of containers take their addresses from."""
PLUGIN = Path("cli-plugins", "docker-compose")
COMPOSE_PACKAGE = "docker-compose"
COMPOSE_PROGRAM = Path("usr", "libexec", "docker", "cli-plugins", "docker-compose")


def usual_folder() -> Path:
    """Where the engine lives: FURLONG_ENGINE, else below the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("FURLONG_ENGINE") or cache / "furlong" / "engine")


class Daemon:
    """The engine on one folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or usual_folder()).resolve()
        self._run = self.folder / "run"
        self._pid_file = self._run / "dockerd.pid"
        self._log = self.folder / "engine.log"
        self._kept = self.folder / "kept"
        self._users = self.folder / "users"
        self._turns = self.folder / "turns"
        self.docker = Docker(
            environment={
                "DOCKER_HOST": f"unix://{self._run}/docker.sock",
                "DOCKER_CONFIG": str(self.folder / "config"),
                "DOCKER_BUILDKIT": "0",  # BuildKit wants a plugin that is no package of this release
            },
            is_own=True,
        )

    @property
    def packages(self) -> Path:
        """Where packages for stand-ins are kept."""
        return self.folder / "packages"

    @contextmanager
    def used(self) -> Iterator[Docker]:
        """The engine, started if it does not run, ended by its last user unless it is kept. Raises EngineMissing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._users.open("a") as users:
            with self._turn():
                self._start()
                fcntl.flock(users, fcntl.LOCK_SH)
            try:
                yield self.docker
            finally:
                with self._turn():
                    if not self._kept.exists() and _is_last(users.fileno()):
                        self.stop()

    def keep(self) -> None:
        """Start the engine and leave it running until `stop`. Raises EngineMissing."""
        with self.used():
            self._kept.touch()

    def stop(self) -> None:
        """End the engine with everything that runs in it. Does nothing when it is down."""
        self._kept.unlink(missing_ok=True)
        pid = self._pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        while self._pid() == pid:
            if time.monotonic() >= deadline_s:
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(POLL_S)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Start and end it one after the other: the first one starts it, the others find it, the last one ends it."""
        with self._turns.open("a") as turns:
            fcntl.flock(turns, fcntl.LOCK_EX)
            yield

    def _start(self) -> None:
        if self._pid() is not None and self.docker.answers():
            return
        packages.require_debian()
        if shutil.which("dockerd") is None:
            packages.install("docker.io", "iptables")
        self._add_compose()
        self._run.mkdir(parents=True, exist_ok=True)
        self._pid_file.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            # It is to outlive whoever starts it where others use it too, so it becomes nobody's child.
            subprocess.run(
                [
                    *("setsid", "--fork", "dockerd"),
                    *("--data-root", str(self.folder / "data"), "--exec-root", str(self._run / "exec")),
                    *("--pidfile", str(self._pid_file), "--host", f"unix://{self._run}/docker.sock"),
                    *("--bridge", "none", "--default-address-pool", NETWORKS),
                    *("--log-driver", "json-file", "--shutdown-timeout", "5"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                check=True,
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        was_there = False
        while not self.docker.answers():
            is_there = self._pid() is not None
            if (was_there and not is_there) or time.monotonic() >= deadline_s:
                raise EngineMissing(f"this machine does not let an engine run: {self._said()}")
            was_there = is_there
            time.sleep(POLL_S)

    def _add_compose(self) -> None:
        """Have `docker compose`: what the machine has, else the plugin of the next release of Debian."""
        plugin = self.folder / "config" / PLUGIN
        if plugin.exists():
            return
        unpacked = self.folder / "compose"
        packages.unpack_newer(COMPOSE_PACKAGE, unpacked, self.packages / "newer")
        program = unpacked / COMPOSE_PROGRAM
        plugin.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(program, plugin)

    def _pid(self) -> int | None:
        """The engine's process; None while it is down, whatever its file says."""
        try:
            pid = int(self._pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if str(self._pid_file).encode() in words else None

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip() if self._log.exists() else ""


@contextmanager
def an_engine() -> Iterator[Docker]:
    """An engine to work with: one that answers, else our own. Raises EngineMissing, which says why there is none."""
    found, own = Docker(), Daemon()
    if os.environ.get("DOCKER_HOST") != own.docker.environment["DOCKER_HOST"] and found.answers():
        yield found
        return
    with own.used() as docker:
        yield docker


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
