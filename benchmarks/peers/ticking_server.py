"""The ticking peer: a 500 ms JSON WebSocket broadcaster in Node's ws, installed when it is wanted."""

import asyncio
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SOURCE = Path(__file__).parent / "ticking"
INSTALL_TIMEOUT_S = 120.0
START_TIMEOUT_S = 20.0

Stringify = Literal["per-client", "once"]
"""Whether the string is made anew for each client, as in the old design, or once a tick."""


class PeerMissing(RuntimeError):
    """The peer cannot be run on this machine; the text says why in few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickingServer:
    """A peer that runs: where it listens, and the process whose time it takes."""

    address: str
    pid: int


async def install(folder: Path, state: str) -> Path:
    """Install the peer into `folder/ticking`, with the JSON `state` that it sends. Raises `PeerMissing`."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise PeerMissing(f"no {program} here")
    installed = folder / "ticking"
    await asyncio.to_thread(shutil.copytree, SOURCE, installed)
    npm = await asyncio.create_subprocess_exec(
        *("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"), cwd=installed, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(INSTALL_TIMEOUT_S):
            await npm.communicate()
    except TimeoutError as error:
        raise PeerMissing("npm could not fetch ws in time") from error
    finally:
        await _end(npm)
    if npm.returncode != 0:
        raise PeerMissing(f"npm could not install ws (status {npm.returncode})")
    await asyncio.to_thread((installed / "state.json").write_text, state)
    return installed


@asynccontextmanager
async def serve(installed: Path, stringify: Stringify) -> AsyncIterator[TickingServer]:
    """Run the peer for the length of the block. Raises `PeerMissing` when it does not start."""
    node = await asyncio.create_subprocess_exec(
        *("node", "server.mjs", "state.json", stringify), cwd=installed, stdin=PIPE, stdout=PIPE
    )
    try:
        assert node.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                address = (await node.stdout.readline()).decode().strip()
        except TimeoutError as error:
            raise PeerMissing("node did not start in time") from error
        if not address:
            raise PeerMissing("node ended before it listened")
        yield TickingServer(address=address, pid=node.pid)
    finally:
        await _end(node)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
