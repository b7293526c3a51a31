"""A line to Redis: a wire that is opened when it is first needed, and again when it was lost."""

import asyncio
from collections.abc import Callable, Sequence

from services.cache.adapters.redis.errands import Errands
from services.cache.adapters.redis.nodes import Nodes
from services.cache.adapters.redis.wire import Answers, Wire, Words


class Line:
    """One connection at a time. `on_lost` is called when a wire that was in use is lost."""

    def __init__(self, nodes: Nodes, errands: Errands, on_lost: Callable[[str], None]) -> None:
        self._nodes = nodes
        self._errands = errands
        self._on_lost = on_lost
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None

    async def ask(self, commands: Sequence[Words], within_s: float) -> Answers:
        """Send commands; what came back for each. Raises StoreDown when that takes longer than `within_s`."""
        wire = self._wire
        if wire is None or wire.is_lost:
            loop = asyncio.get_running_loop()
            ends_s = loop.time() + within_s
            wire = await self._open(within_s)
            within_s = max(ends_s - loop.time(), 0)
        return await wire.ask(commands, within_s)

    def cut(self, cause: str) -> None:
        """End the connection, if there is one."""
        if self._wire is not None:
            self._wire.cut(cause)

    async def close(self) -> None:
        """End the connection and wait until nothing is left of it."""
        self.cut("it is closed here")
        if self._wire is not None:
            await self._wire.gone()

    async def _open(self, within_s: float) -> Wire:
        """Open a wire; who asks meanwhile waits for the same one, and who gives up does not end it."""
        if self._opening is None or self._opening.done():
            self._opening = self._errands.start(self._connect(within_s))
        return await asyncio.shield(self._opening)

    async def _connect(self, within_s: float) -> Wire:
        self._wire = await self._errands.run(self._nodes.connect(), within_s)
        self._wire.on_lost = self._on_lost
        return self._wire
