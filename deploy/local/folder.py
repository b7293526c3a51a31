"""Who runs on a data folder: one stack at a time, and where to find it.

The lock is the kernel's, so it ends with the process that holds it, however that ends. `state.json` says in words for
programs what the holder runs; it is worth something only while the lock is held.
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.keys import write_private

POLL_S = 0.05
STATE_NAME = "state.json"
LOCK_NAME = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningState:
    """A stack that runs: its process, its gateway as `host:port`, and the process of each part that is up."""

    pid: int
    gateway: str
    parts: Mapping[str, int]


class FolderBusy(RuntimeError):
    """Another stack runs on the folder."""


class DataFolder:
    """The lock and the state of one data folder, which is made when it is missing."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._lock: int | None = None

    def take(self) -> None:
        """Hold the folder until `release`. Raises FolderBusy when somebody else does."""
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            os.close(lock)
            raise FolderBusy(f"a stack runs on {self.path} already") from busy
        self._lock = lock

    def release(self) -> None:
        """Let go of the folder; does nothing when it is not held."""
        if self._lock is None:
            return
        (self.path / STATE_NAME).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def is_taken(self) -> bool:
        """Whether a stack runs on the folder now."""
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def wait_free(self, timeout_s: float) -> bool:
        """Wait until no stack runs on the folder; whether that came about in time."""
        deadline_s = time.monotonic() + timeout_s
        while self.is_taken():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(POLL_S)
        return True

    def write(self, state: RunningState) -> None:
        """Say what runs."""
        write_private(self.path / STATE_NAME, json.dumps(asdict(state), indent=2) + "\n")

    def read(self) -> RunningState | None:
        """What runs on the folder; None when nothing does, or when a stack has only just begun."""
        if not self.is_taken():
            return None
        try:
            return RunningState(**json.loads((self.path / STATE_NAME).read_text()))
        except FileNotFoundError:
            return None

    def _open_lock(self) -> int:
        return os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
