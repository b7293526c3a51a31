"""How long a newcomer waits: from the command to a round that takes tickets, seen through the gateway.

    python -m benchmarks.startup [--quick] [--no-clone]

seconds_to_open_round   installed: `python -m deploy.local up` on an empty data folder
seconds_from_clone      from nothing: `git clone`, then `make up`, which installs everything from the package index

Both are ended by Ctrl-C, and count only if they then end cleanly. The limit beside them is PostgreSQL alone, from an
empty folder until it takes connections: nothing that keeps tickets can be up sooner.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.apart import ROOT
from benchmarks.report import Figure, Spread, last_line, progress, table
from benchmarks.scratch import scratch_folder
from deploy.local.ports import free_port
from deploy.local.postgres import PostgresServer

BENCHMARK = "startup"
TRACK = "harbour-mile"
ROUNDS = 3
OPEN_TIMEOUT_S = 60.0
CLONE_TIMEOUT_S = 600.0
END_TIMEOUT_S = 60.0
POLL_S = 0.05
ANSWER_TIMEOUT_S = 2.0
SAID_LINES = 15
UNSET = ("DATABASE_URL", "FURLONG_AUTH", "FURLONG_DATA", "VIRTUAL_ENV")
"""What would make the stack another one than a newcomer's."""
INTERRUPTED = (0, 2, 130, -signal.SIGINT)
"""How a program may end after Ctrl-C: by itself, as make does, as a shell does, by the signal."""


class StartFailed(RuntimeError):
    """The stack did not open a round in time or did not end cleanly; the message ends with what it said."""


def main() -> None:
    """Measure, print the table and the line of JSON."""
    options = _options()
    figures = [*_installed(1 if options.quick else ROUNDS), _from_clone(wanted=not options.no_clone)]
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{BENCHMARK}", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="start once instead of several times")
    parser.add_argument("--no-clone", action="store_true", help="leave out the start from a fresh clone")
    return parser.parse_args()


def _installed(rounds: int) -> list[Figure]:
    limit: list[float] = []
    ours: list[float] = []
    for number in range(1, rounds + 1):
        progress(f"installed, {number} of {rounds}: PostgreSQL alone, then the stack, on empty folders")
        with scratch_folder() as folder:
            limit.append(_postgres_alone(Path(folder) / "postgres"))
        with scratch_folder() as folder:
            data = {"FURLONG_DATA": str(Path(folder) / "data")}
            command = [sys.executable, "-m", "deploy.local", "up"]
            ours.append(_seconds_to_open_round(command, cwd=ROOT, environment=data, timeout_s=OPEN_TIMEOUT_S))
    return [
        Figure(title="installed, to an open round", unit="s", key="seconds_to_open_round", spread=Spread.of(ours)),
        Figure(title="  limit: PostgreSQL alone", unit="s", spread=Spread.of(limit), note="initdb and start"),
    ]


def _postgres_alone(folder: Path) -> float:
    begun_s = time.monotonic()
    server = PostgresServer(folder)
    server.start()
    took_s = time.monotonic() - begun_s
    server.stop()
    return took_s


def _from_clone(*, wanted: bool) -> Figure:
    title, unit, key = "from a fresh clone, to an open round", "s", "seconds_from_clone"
    if not wanted:
        return Figure(title=title, unit=unit, key=key, spread=None, note="--no-clone was given")
    if (reason := _index_out_of_reach()) is not None:
        return Figure(title=title, unit=unit, key=key, spread=None, note=f"no package index: {reason}")
    progress("from a fresh clone: git clone, make up")
    with scratch_folder() as folder:
        begun_s = time.monotonic()
        clone = Path(folder) / "furlong"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        cloned_s = time.monotonic() - begun_s
        took_s = cloned_s + _seconds_to_open_round(["make", "up"], cwd=clone, environment={}, timeout_s=CLONE_TIMEOUT_S)
    return Figure(title=title, unit=unit, key=key, spread=Spread.of([took_s]), note="git clone and make up")


def _index_out_of_reach() -> str | None:
    """Why nothing can be installed here; None when the package index answers."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "grpcio", "--disable-pip-version-check", "--retries", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        return None
    return (asked.stderr.strip() or "no answer").splitlines()[-1]


def _seconds_to_open_round(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout_s: float
) -> float:
    """Run a command that brings the stack up; the seconds until a round is OPEN; then end it as Ctrl-C would.

    Raises `StartFailed`.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    with tempfile.TemporaryFile("w+") as said:
        begun_s = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**inherited, **environment, "GATEWAY_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches a whole process group, as it does at a terminal
        )
        try:
            while not _round_is_open(port):
                if process.poll() is not None or time.monotonic() - begun_s > timeout_s:
                    raise StartFailed(f"{' '.join(command)} opened no round; it said:\n{_tail(said.fileno())}")
                time.sleep(POLL_S)
            took_s = time.monotonic() - begun_s
        finally:
            ended = _interrupt(process)
        if ended not in INTERRUPTED:
            raise StartFailed(f"{' '.join(command)} ended with status {ended}; it said:\n{_tail(said.fileno())}")
    return took_s


def _round_is_open(port: int) -> bool:
    url = f"http://127.0.0.1:{port}/v1/tracks/{TRACK}/rounds/current"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S) as answer:
            return bool(json.load(answer)["round"]["phase"] == "OPEN")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False  # nothing listens yet, or the track is not there yet


def _interrupt(process: "subprocess.Popen[bytes]") -> int:
    """End a process group as Ctrl-C does; the status it ended with. One that does not end in time is killed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        return process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def _tail(said: int) -> str:
    text = os.pread(said, os.fstat(said).st_size, 0).decode(errors="replace")
    return "\n".join(text.splitlines()[-SAID_LINES:])


if __name__ == "__main__":
    main()
