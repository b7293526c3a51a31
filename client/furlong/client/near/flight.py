"""A load that is under way, and those who wait for it.

                  the first caller                   joined by others                 the result
    (nothing) ─────────────────────▶ under way ─────────────────────────▶ answered ─────────────▶ kept, if nothing
                                        │  │                                                      outdated it
                                        │  └── a change: whoever comes now begins anew
                                        └── the last waiter leaves: given up

1. Callers of one key wait for one load, and each may stop waiting without harm to the others.
2. A change that covers the key while the load is under way parts it from callers who come later: those who asked
   before may have what was true then, and it is not kept.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from furlong.client.near.change import Change

NO_VERSION: Final = -1
"""The version of what is loaded without a lease."""


class LoadCancelled(RuntimeError):
    """A load was cancelled from inside, by itself and not by those who wait for it."""


class Flight:
    """One load. `version` is what it will have; changes of another one that come meanwhile outdate it."""

    __slots__ = ("_given_up", "_result", "_waiters", "holds", "is_outdated", "key", "session", "task", "version")

    def __init__(self, key: str, *, holds: bool) -> None:
        self.key = key
        self.is_outdated = False
        self.session = 0
        self.version = NO_VERSION
        self.task: asyncio.Task[None] | None = None
        self._result: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiters = 0
        self.holds = holds
        self._given_up = False

    @property
    def is_answered(self) -> bool:
        """Tell whether waiters have what they wait for."""
        return self._result.done()

    @property
    def is_given_up(self) -> bool:
        """Tell whether it was ended because nobody waits for it."""
        return self._given_up

    async def wait(self) -> bytes | None:
        """Wait for the result, or the load's error. The last one to leave ends the load."""
        self._waiters += 1
        try:
            return await asyncio.shield(self._result)
        finally:
            self._waiters -= 1
            if not (self._waiters or self.holds or self._result.done()):
                self._given_up = True
                assert self.task is not None, "it was started"
                self.task.cancel()

    def answer(self, value: bytes | None) -> None:
        """Give everybody the result; the first one counts."""
        if not self._result.done():
            self._result.set_result(value)

    def fail(self, error: BaseException) -> bool:
        """Give everybody the error, and tell whether there still was somebody to be told."""
        if self._result.done():
            return False
        self._result.set_exception(error)
        self._result.exception()  # it was taken note of, even if everybody has just left
        return not self.holds


class Flights:
    """All loads of one namespace that are under way: at most one for each key that a caller may join."""

    def __init__(self) -> None:
        self._joinable: dict[str, Flight] = {}
        self._all: dict[str, list[Flight]] = {}

    def find(self, key: str) -> Flight | None:
        """Find a load to join."""
        flight = self._joinable.get(key)
        return None if flight is None or flight.is_given_up else flight

    def start(self, key: str, run: Callable[[Flight], Coroutine[Any, Any, None]], *, holds: bool = False) -> Flight:
        """Begin a load, which goes on without waiters where it `holds`."""
        flight = Flight(key, holds=holds)
        self._joinable[key] = flight
        self._all.setdefault(key, []).append(flight)
        flight.task = asyncio.get_running_loop().create_task(run(flight), name=f"load {key}")
        flight.task.add_done_callback(lambda task: self._end(flight, task))
        return flight

    def hear(self, change: Change) -> None:
        """Part loads from what is true from now on."""
        keys = change.keys if change.keys is not None else tuple(self._all)
        for key in keys:
            if change.pattern is not None and not change.pattern.match(key):
                continue
            for flight in self._all.get(key, ()):
                if flight.version != change.version:
                    flight.is_outdated = True
                    self._part(flight)

    def __len__(self) -> int:
        return sum(len(flights) for flights in self._all.values())

    def _end(self, flight: Flight, task: asyncio.Task[None]) -> None:
        # Also where the task never began, because it was given up at once.
        if task.cancelled():
            flight.fail(LoadCancelled(f"the load of {flight.key!r} was cancelled from inside"))
        elif (defect := task.exception()) is not None:
            flight.fail(defect)
        self._part(flight)
        flights = self._all[flight.key]
        flights.remove(flight)
        if not flights:
            del self._all[flight.key]

    def _part(self, flight: Flight) -> None:
        if self._joinable.get(flight.key) is flight:
            del self._joinable[flight.key]
