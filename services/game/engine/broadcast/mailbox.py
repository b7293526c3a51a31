"""A watcher's mailbox: bounded, so that a slow reader costs memory to nobody and time to nobody but itself.

Transitions wait in order and none is dropped; of totals and ticks only the latest waits, because nobody wants the
older one. A mailbox that is full when a transition comes ends its watcher with FELL_BEHIND: it resumes by `after`, and
reads from the room's history what it missed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal

Numbered = tuple[int, bytes]
"""An encoded frame with the `transition_seq` that a watcher who has it may resume from."""


class Mailbox:
    """The frames of one watcher. `after` is the last transition that was handed out.

    `on_fell_behind` is called when a full mailbox ends: the watcher's writer may be stuck in a connection that nobody
    reads and has to be told.
    """

    __slots__ = (
        "_first_left",
        "_frames_max",
        "_on_fell_behind",
        "_tick",
        "_transitions",
        "_update",
        "_waiter",
        "after",
        "ending",
    )

    def __init__(
        self, *, first: Sequence[Numbered], after: int, frames_max: int, on_fell_behind: Callable[[], object]
    ) -> None:
        self._transitions = deque(first)
        self._first_left = len(first)  # what it begins with is history, not slowness
        self._frames_max = frames_max
        self._update: Numbered | None = None
        self._tick: Numbered | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_fell_behind = on_fell_behind
        self.after = after
        self.ending: Refusal | None = None

    def put_transition(self, frame: Numbered) -> None:
        """Add a transition, which outdates the update that waits; full, end the watcher."""
        if self.ending is not None:
            return
        if len(self._transitions) - self._first_left >= self._frames_max:
            self._fall_behind()
            return
        self._update = self._tick = None
        self._transitions.append(frame)
        self._wake()

    def put_update(self, frame: Numbered) -> None:
        """Put the round as it is in the place of the update that waits."""
        self._update = frame
        self._wake()

    def put_tick(self, frame: Numbered) -> None:
        """Put a tick in the place of the one that waits."""
        self._tick = frame
        self._wake()

    def end(self, why: Callable[[int], Refusal]) -> None:
        """End the watcher once it has the transitions that wait; `why` is told where it may resume."""
        if self.ending is not None:
            return
        after = self._transitions[-1][0] if self._transitions else self.after
        self.ending = why(after)
        self._wake()

    async def take(self) -> bytes:
        """Wait for the next frame. Raises the Refusal that ends the watcher; only one task may take."""
        while True:
            frame = self._next()
            if frame is not None:
                return frame
            if self.ending is not None:
                raise self.ending
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _next(self) -> bytes | None:
        if self._transitions:
            self.after, frame = self._transitions.popleft()
            self._first_left = max(self._first_left - 1, 0)
            return frame
        if self.ending is not None:
            return None
        if self._update is not None:
            (_, frame), self._update = self._update, None
            return frame
        if self._tick is not None:
            (_, frame), self._tick = self._tick, None
            return frame
        return None

    def _fall_behind(self) -> None:
        self._transitions.clear()
        self.ending = Refusal(
            Reason.FELL_BEHIND,
            f"the watcher is {self._frames_max} transitions behind; it may resume after {self.after}",
            metadata={"after": str(self.after)},
        )
        self._wake()
        self._on_fell_behind()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
