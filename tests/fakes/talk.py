"""Topics in memory: what one game tells, every game that follows hears at once."""

import asyncio
from collections.abc import AsyncGenerator

from services.game.ports import News, Signal


class FakeTopics:
    """The game's port `Topics`, shared by the games of one test."""

    def __init__(self) -> None:
        self._followers: dict[str, set[asyncio.Queue[News]]] = {}

    async def publish(self, track: str, news: News) -> None:
        """Tell all followers."""
        for queue in self._followers.get(track, ()):
            queue.put_nowait(news)

    async def follow(self, track: str) -> AsyncGenerator[News | Signal, None]:
        """Hear what is told from now on."""
        queue: asyncio.Queue[News] = asyncio.Queue()
        self._followers.setdefault(track, set()).add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._followers[track].discard(queue)
