"""Is there room, and is the server staying: overload is refused on purpose, class by class, before it queues up.

Calls beyond a class's limit are refused at once and never wait: a caller who is told to come back costs next to
nothing, one who waits costs memory and, when its time is over, the work. Classes have limits of their own, so that a
burst of tickets cannot cost a lease.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Admission as AdmissionClass
from opentelemetry.metrics import Observation

from services.chassis import telemetry_names as names
from services.chassis.call import Call, Handler, Method
from services.chassis.refusal import Refusal

OVERLOADED_RETRY_IN_MS: Final = 250
"""A full class has moved on by some hundred calls in this time."""

DRAINING_RETRY_IN_MS: Final = 1_000
"""Another replica answers at once, and this one is back, if it restarts, after about so long."""


class Admission:
    """Counts the calls in progress of each class and refuses what is too much, or everything while draining."""

    def __init__(self, limits: Mapping[AdmissionClass.ValueType, int]) -> None:
        self._rooms = {admission: _Room(AdmissionClass.Name(admission), limit) for admission, limit in limits.items()}
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""
        room = self._rooms[method.policy.admission]

        async def take_room(request: Any, call: Call) -> Any:
            if self._closed:
                raise Refusal(Reason.DRAINING, "this server is going away", retry_in_ms=DRAINING_RETRY_IN_MS)
            if room.in_progress >= room.limit:
                raise Refusal(
                    Reason.OVERLOADED,
                    f"{room.limit} calls of class {room.name} are in progress, which is all that this server takes",
                    retry_in_ms=OVERLOADED_RETRY_IN_MS,
                    metadata={"admission": room.name},
                )
            room.in_progress += 1
            try:
                return await inner(request, call)
            finally:
                room.in_progress -= 1
                if self._closed and self.in_progress == 0:
                    self._empty.set()

        return take_room

    @property
    def in_progress(self) -> int:
        """How many calls are in progress, of all classes."""
        return sum(room.in_progress for room in self._rooms.values())

    def close(self) -> None:
        """Refuse every new call from now on."""
        self._closed = True
        if self.in_progress:
            self._empty.clear()

    async def emptied(self) -> None:
        """Return when the last call in progress has ended, after `close()`."""
        assert self._closed, "calls end for good only after new ones are refused"
        await self._empty.wait()

    def observe(self) -> Iterable[Observation]:
        """Tell the calls in progress of each class, for the metric of that name."""
        return [Observation(room.in_progress, {names.FURLONG_ADMISSION: room.name}) for room in self._rooms.values()]


class _Room:
    __slots__ = ("in_progress", "limit", "name")

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.in_progress = 0
