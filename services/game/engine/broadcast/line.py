"""A line: the way of a watcher's frames from its mailbox into its stream, one at a time, without a task of its own.

    mail comes ──▶ the crier's queue ──▶ a frame is taken, its write begun ──▶ written ──▶ the next one, if any
                   (a few lines a turn of the event loop, so that a frame for
                   thousands of watchers holds nobody else up for long)

A task that waits for mail and then for its write is woken twice for every frame, through every coroutine that it stands
in. A line begins the write's coroutine itself and is called back when gRPC has taken the frame.

What gRPC is told of a write that is given up is what it is told of a cancelled task: the future that it will end is
cancelled, and then the coroutine ends where it waits. gRPC keeps all that its core still works with, the frame, the
operation and the future, until the core is done with it, and asks a future first whether it was cancelled. No write is
begun once `run` has ended: from then on the call may be gone, and the core takes no call that is gone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from services.chassis.refusal import Refusal
from services.game.engine.broadcast.mailbox import Mailbox

LINES_A_TURN: Final = 50
"""Lines that begin a write in one turn of the event loop: about 2 ms."""

Write = Callable[[bytes], Coroutine[Any, Any, None]]
"""Writes a frame into a stream; it ends when the stream has room for the next one."""


class Crier:
    """Lets the lines that have mail write, in the order in which it came."""

    def __init__(self) -> None:
        self._waiting: deque[Line] = deque()
        self._has_turn = False  # coming

    def add(self, line: "Line") -> None:
        """Let a line write, when it is its turn."""
        self._waiting.append(line)
        if not self._has_turn:
            self._has_turn = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        lines = min(LINES_A_TURN, len(self._waiting))
        self._has_turn = lines < len(self._waiting)
        if self._has_turn:  # before anything can go wrong with one line, for the sake of the others
            asyncio.get_running_loop().call_soon(self._turn)
        for _ in range(lines):
            self._waiting.popleft().proceed()


class Line:
    """One watcher's line; `mail` is what its mailbox calls. `run` it once."""

    __slots__ = ("_crier", "_ended", "_is_waiting", "_mailbox", "_taking", "_write", "_writing")

    def __init__(self, write: Write, crier: Crier) -> None:
        self._write = write
        self._crier = crier
        self._mailbox: Mailbox | None = None
        self._writing: Coroutine[Any, Any, None] | None = None
        self._taking: asyncio.Future[None] | None = None  # what the write waits for
        self._is_waiting = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, mailbox: Mailbox) -> None:
        """Write what is in the mailbox and what comes, until the Refusal that ends the watcher is raised."""
        self._mailbox = mailbox
        self.mail()
        try:
            await self._ended
        finally:
            self._mailbox = None
            self._give_up()

    def mail(self) -> None:
        """Something came into the mailbox."""
        if self._mailbox is None:
            return
        if self._writing is not None:
            # The stream of a watcher that does not read takes nothing: nobody waits for it any more.
            if self._mailbox.has_fallen_behind:
                self._end(self._mailbox.ending)
        elif not self._is_waiting:
            self._is_waiting = True
            self._crier.add(self)

    def proceed(self) -> None:
        """Write frames until one has to be waited for, or none is left."""
        self._is_waiting = False
        while self._mailbox is not None and self._writing is None and not self._ended.done():
            try:
                frame = self._mailbox.take()
            except Refusal as refusal:
                self._end(refusal)
                return
            if frame is None:
                return
            self._writing = self._write(frame)
            self._step()

    def _step(self) -> None:
        """Run the write until it waits for gRPC, or ends."""
        assert self._writing is not None, "only a write that was begun goes on"
        try:
            taken = self._writing.send(None)
        except StopIteration:
            self._writing = None
        except BaseException as error:  # what a task would have raised in the watcher's handler is raised there
            self._writing = None
            self._end(error)
        else:
            if taken is None:  # it only lets others go first
                asyncio.get_running_loop().call_soon(self._taken, None)
            else:
                self._taking = taken
                taken.add_done_callback(self._taken)

    def _taken(self, taken: "asyncio.Future[None] | None") -> None:
        self._taking = None
        if self._writing is None:  # it was given up, and what became of it is nobody's business
            if taken is not None and not taken.cancelled():
                taken.exception()
            return
        self._step()
        if self._writing is None:
            self.proceed()

    def _give_up(self) -> None:
        """Leave the write that waits, if there is one."""
        if self._taking is not None:
            self._taking.cancel()
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def _end(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if isinstance(error, asyncio.CancelledError):
            self._ended.cancel()
        elif error is not None:
            self._ended.set_exception(error)
