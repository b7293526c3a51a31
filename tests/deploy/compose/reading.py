"""Reading over one connection of HTTP/1.1 that is kept, as browsers do, while something happens to the stack.

A read is tried once more after a pause where it fails, and that is all.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.deploy.compose.selling import CALL_S, PAUSE_S, RETRY_AFTER_S
from tests.deploy.compose.stacks import RunningStack
from tests.e2e.doors import http_client

PATH = "/v1/tracks"
PATIENCE = {"grpc-timeout": f"{CALL_S:.0f}S"}
"""As long as the sellers wait, instead of the second that a read has where its caller names no time."""


@dataclass(slots=True)
class Reads:
    """What the reader was told."""

    answered: int = 0
    failed_once: list[str] = field(default_factory=list)
    failed_twice: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def __str__(self) -> str:
        failed = f"failed once {self.failed_once}, twice {self.failed_twice}"
        return f"{self.answered} reads: {failed}; longest wait {self.longest_s:.2f} s"


@asynccontextmanager
async def read(stack: RunningStack) -> AsyncIterator[Reads]:
    """A reader at work, from now until the block is left."""
    reads, done = Reads(), asyncio.Event()
    async with http_client(stack.gateway) as http:
        reader = asyncio.create_task(_read_on(http, reads, done))
        try:
            yield reads
        finally:
            done.set()
            await reader


async def _read_on(http: httpx.AsyncClient, reads: Reads, done: asyncio.Event) -> None:
    while not done.is_set():
        began_s = time.monotonic()
        if problem := await _problem(http):
            reads.failed_once.append(problem)
            await asyncio.sleep(RETRY_AFTER_S)
            if problem := await _problem(http):
                reads.failed_twice.append(problem)
        reads.answered += not problem
        reads.longest_s = max(reads.longest_s, time.monotonic() - began_s)
        await asyncio.sleep(PAUSE_S)


async def _problem(http: httpx.AsyncClient) -> str:
    """What is wrong with one read; nothing where it is answered well."""
    try:
        reply = await http.get(PATH, headers=PATIENCE)
    except httpx.TransportError as error:
        return f"{time.strftime('%H:%M:%S')} {error!r}"
    return "" if reply.is_success else f"{time.strftime('%H:%M:%S')} {reply.status_code}: {reply.text}"
