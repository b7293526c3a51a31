"""Work done in a process of its own, so that it takes no time from what it measures.

A module that can be run apart reads one JSON object from standard input and prints one as its last line.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVER_START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that runs: where it listens, and the process whose time it takes."""

    address: str
    pid: int


class ApartFailed(RuntimeError):
    """A process ended badly or did not answer; what it had to say stands on standard error."""


async def run_apart(module: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Run `python -m module` with `order` on its standard input and return what it answers.

    Raises `ApartFailed`. A caller that is cancelled takes the process with it.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    try:
        said, _ = await process.communicate(json.dumps(order).encode())
    finally:
        await _end(process)
    if process.returncode != 0 or not said.strip():
        raise ApartFailed(f"{module} ended with status {process.returncode}")
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


@asynccontextmanager
async def serve_apart(module: str) -> AsyncIterator[Served]:
    """Run a server module for the length of the block; gives the address that it prints as its first line.

    The server ends when its standard input does. Raises `ApartFailed` when it does not start.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SERVER_START_TIMEOUT_S):
            address = (await process.stdout.readline()).decode().strip()
        if not address:
            raise ApartFailed(f"{module} did not say where it listens")
        yield Served(address=address, pid=process.pid)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
