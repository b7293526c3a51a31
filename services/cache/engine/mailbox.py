"""A subscriber's mailbox: bounded, so that a slow reader costs memory to nobody and time to nobody but itself.

What does not fit is dropped with all that waits before it, and a GAP in its place says so: a subscriber who is that far
behind reads the present elsewhere sooner than the past here.
"""

import asyncio
from collections import deque
from enum import IntEnum
from typing import Final, NamedTuple

from services.cache.domain.position import Position
from services.chassis.refusal import Refusal

EVENTS_MAX: Final = 1_024
BYTES_MAX: Final = 1024 * 1024
"""What may wait: events, and bytes of their payloads."""


class Kind(IntEnum):
    """Why a subscriber is told something. The numbers are those of the wire."""

    MESSAGE = 1
    GAP = 2
    HEARTBEAT = 3


class Event(NamedTuple):
    """What a subscriber is told."""

    kind: Kind
    position: Position
    payload: bytes = b""
    request_id: str = ""


class Mailbox:
    """The events of one subscriber."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._ending: Refusal | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, event: Event) -> None:
        """Add an event; where there is no room for it, a GAP up to it takes the place of all that waits."""
        if len(self._events) >= EVENTS_MAX or self._bytes + len(event.payload) > BYTES_MAX:
            self._events.clear()
            self._bytes = 0
            event = Event(Kind.GAP, event.position)
        self._events.append(event)
        self._bytes += len(event.payload)
        self._wake()

    def beat(self, position: Position) -> None:
        """Add a heartbeat, unless something waits that tells as much."""
        if not self._events:
            self._events.append(Event(Kind.HEARTBEAT, position))
            self._wake()

    def end(self, why: Refusal) -> None:
        """End the subscription once what waits has been taken."""
        self._ending = why
        self._wake()

    async def take(self) -> Event:
        """Wait for the next event. Raises the Refusal that ends the subscription; only one task may take."""
        while not self._events:
            if self._ending is not None:
                raise self._ending
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        event = self._events.popleft()
        self._bytes -= len(event.payload)
        return event

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
