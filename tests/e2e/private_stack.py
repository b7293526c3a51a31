"""A stack of a test's own, whose parts may be killed.

The kernel ends the parts of a stack when the thread that started them ends, and starting them blocks. So a private
stack lives in one thread of its own, and a test's event loop asks that thread.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from deploy.local.part import Part
from deploy.local.stack import LocalStack, StackSettings

T = TypeVar("T")

BACK_UP_S = 30.0


class PrivateStack:
    """A running stack and the thread that it lives in."""

    def __init__(self, stack: LocalStack, thread: ThreadPoolExecutor) -> None:
        self.stack = stack
        self._thread = thread

    @property
    def gateway(self) -> str:
        """Where it answers, as `host:port`."""
        return self.stack.addresses.gateway

    @property
    def database_url(self) -> str:
        """Its database."""
        return self.stack.addresses.database_url

    async def kill(self, name: str) -> None:
        """End a part with SIGKILL."""
        await self._do(self.stack.part(name).kill)

    async def stop(self, name: str) -> None:
        """End a part in order, with SIGTERM."""
        await self._do(self.stack.part(name).stop)

    async def start(self, name: str) -> None:
        """Start a part again and wait until it serves."""
        part = self.stack.part(name)
        await self._do(lambda: _bring_up(part))

    async def _do(self, errand: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(errand))


@contextmanager
def private_stack(settings: StackSettings) -> Iterator[PrivateStack]:
    """Start a stack, and end it afterwards whatever state its parts are in."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="private-stack") as thread:
        stack = LocalStack(settings)
        thread.submit(stack.start).result()
        try:
            yield PrivateStack(stack, thread)
        finally:
            thread.submit(stack.stop).result()


def _bring_up(part: Part) -> None:
    part.start()
    part.wait_ready(BACK_UP_S)
