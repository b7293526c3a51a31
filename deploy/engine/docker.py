"""The command `docker`, aimed at one engine."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWER_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 600.0
TAIL_CHARACTERS = 4_000


class EngineFailed(RuntimeError):
    """A command of the engine did not do what it was asked; the message ends with what it said."""


class EngineMissing(RuntimeError):
    """There is no engine, and none can be had on this machine; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """One engine, through its command line.

    `environment` is added to ours for every command: where the engine listens, which builder it has.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    is_own: bool = False
    """Started by us, hence without a registry to ask: stand-ins take the place of the images of others."""

    def __call__(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run a command to its end; what it printed, without the last line's end. Raises EngineFailed."""
        return self.run(*arguments, timeout_s=timeout_s).stdout.decode(errors="replace").strip()

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end. Raises EngineFailed where it fails, unless `check` is off, or takes too long."""
        try:
            done = subprocess.run(
                [_program(), *arguments],
                env=self.full_environment(),
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise EngineFailed(f"docker {arguments[0]} took longer than {timeout_s:.0f} s") from late
        if check and done.returncode != 0:
            said = (done.stderr + done.stdout).decode(errors="replace")[-TAIL_CHARACTERS:]
            raise EngineFailed(f"docker {' '.join(arguments)} ended with {done.returncode}: {said.strip()}")
        return done

    def load(self, tar: Path, name: str, changes: tuple[str, ...]) -> None:
        """Make an image of one layer out of an archive of its files; `changes` are lines as in a Dockerfile."""
        options = [word for change in changes for word in ("--change", change)]
        self("import", *options, str(tar), name)

    def inspect(self, name: str) -> dict[str, Any] | None:
        """What the engine knows of an image; None where it has no such image."""
        done = self.run("image", "inspect", name, check=False)
        if done.returncode != 0:
            return None
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found[0]

    def answers(self) -> bool:
        """Whether the engine is there."""
        if shutil.which("docker") is None:
            return False
        try:
            return self.run("version", check=False, timeout_s=ANSWER_TIMEOUT_S).returncode == 0
        except EngineFailed:
            return False

    def full_environment(self) -> dict[str, str]:
        """The environment that every command runs in, for whoever starts `docker compose` himself."""
        return {**os.environ, **self.environment}


def _program() -> str:
    program = shutil.which("docker")
    if program is None:
        raise EngineMissing("the command `docker` is not installed")
    return program
