"""A wire: one connection to Redis. Commands leave in the order in which they are given, answers come in the same.

A caller who gives up takes nothing with it: its place in the order stays, and the answer that comes for it is dropped.
So no answer ever goes to the wrong caller, and no connection is closed because somebody's time was up. A server that
does not answer in time is another matter: nothing good is to be expected of the connection, and it is cut.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis

from services.cache.adapters.redis.errands import GRACE_TURNS
from services.cache.ports import StoreDown

Words = Sequence[str | bytes | int]
"""A command."""

Answers = list[Any]
"""What the server sent for each command; a `hiredis.ReplyError` where it refused."""

_NOT_YET: Final = object()


class _Asked:
    """Commands that were sent together, and the answers that have come so far."""

    __slots__ = ("answers", "awaited", "future", "timer")

    def __init__(self, awaited: int, future: "asyncio.Future[Answers]") -> None:
        self.answers: Answers = []
        self.awaited = awaited
        self.future = future
        self.timer: asyncio.Handle | None = None


class Wire(asyncio.Protocol):
    """One connection. `on_lost` is called once, with the cause, when it is lost, whoever ended it."""

    def __init__(self) -> None:
        self.on_lost: Callable[[str], None] = lambda cause: None
        self.is_lost = False
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self._asked: deque[_Asked] = deque()
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = self._loop.create_future()

    def ask(self, commands: Sequence[Words], within_s: float) -> "asyncio.Future[Answers]":
        """Send commands. The future raises StoreDown; cancelling it does no harm to anybody."""
        assert self._transport is not None, "it is connected before anybody has it"
        asked = _Asked(len(commands), self._loop.create_future())
        if self.is_lost:
            asked.future.set_exception(StoreDown("the connection is lost"))
            return asked.future
        asked.timer = self._loop.call_later(within_s, self._late, asked, within_s, GRACE_TURNS)
        self._asked.append(asked)
        self._transport.write(b"".join([hiredis.pack_command(tuple(words)) for words in commands]))  # type: ignore[arg-type] # any length is fine
        return asked.future

    def cut(self, cause: str) -> None:
        """End the connection. Whoever waits for an answer hears the cause."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()
        while self._asked:
            asked = self._asked.popleft()
            if asked.timer is not None:
                asked.timer.cancel()
            if not asked.future.done():
                asked.future.set_exception(StoreDown(cause))
        self.on_lost(cause)

    async def gone(self) -> None:
        """Wait until nothing is left of a connection that was cut."""
        if self._transport is not None:
            await self._gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport), "a stream has a transport that writes"
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
            while self._asked and (answer := self._reader.gets()) is not _NOT_YET:
                self._answer(answer)
        except hiredis.ProtocolError as error:
            self.cut(f"this is not Redis: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.cut(f"the connection is lost: {error or 'the server ended it'}")
        if not self._gone.done():
            self._gone.set_result(None)

    def _answer(self, answer: Any) -> None:
        asked = self._asked[0]
        asked.answers.append(answer)
        if len(asked.answers) < asked.awaited:
            return
        self._asked.popleft()
        if asked.timer is not None:
            asked.timer.cancel()
        if not asked.future.done():
            asked.future.set_result(asked.answers)

    def _late(self, asked: _Asked, within_s: float, turns: int) -> None:
        """Cut the connection, unless the answer has arrived and this busy loop only had not looked yet."""
        if turns:
            asked.timer = self._loop.call_soon(self._late, asked, within_s, turns - 1)
        else:
            self.cut(f"no answer within {within_s * 1_000:.0f} ms")
