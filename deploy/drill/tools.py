"""PostgreSQL's own programs: those of the wheel, unless PATH has the ones of the server that is backed up."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.drill.address import without_password
from deploy.local.postgres import PostgresFailed, binaries

SAID_CHARACTERS_MAX: Final = 2_000


class ToolFailed(Exception):
    """A program ended badly; the message ends with what it said."""


def program(name: str) -> str:
    """The path of a program: the wheel's, else the one on PATH. Raises ToolFailed."""
    try:
        return str(binaries() / name)
    except PostgresFailed:
        found = shutil.which(name)
    if found is None:
        raise ToolFailed(
            f"{name} is needed: install PostgreSQL's client programs, or the extra `local` of this project"
        )
    return found


def major() -> int:
    """The major version of the programs."""
    said = run("pg_dump", "--version")  # pg_dump (PostgreSQL) 18.4
    return int(said.split()[2].partition(".")[0])


def run(name: str, *arguments: str, database_url: str = "") -> str:
    """Run a program to its end, on a database where one is given; what it said. Raises ToolFailed."""
    environ = dict(os.environ)
    words = [program(name), *arguments]
    if database_url:
        shown, password = without_password(database_url)
        words += ["--no-password", "--dbname", shown]
        if password:
            environ["PGPASSWORD"] = password
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, without a shell
        words, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolFailed(f"{name} failed: {(done.stderr or done.stdout).strip()[-SAID_CHARACTERS_MAX:]}")
    return done.stdout


def bytes_below(folder: Path) -> int:
    """How much the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
