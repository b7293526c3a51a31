"""Health as gRPC defines it (grpc.health.v1), asked of the service at the moment of the question.

Known names: "" and every hosted gRPC service tell readiness, so that a client that balances by health leaves out a
server that cannot answer; "readiness" and "liveness" are for probes. A server that drains is alive and not ready.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2

READINESS: Final = "readiness"
LIVENESS: Final = "liveness"

LOOK_S: Final = 0.25
"""How often a watcher's server looks whether health has changed, in seconds."""

WATCHERS_MAX: Final = 1_000
"""Health watches open at once; each client channel that balances by health has one."""


class Health:
    """The servicer. `liveness` and `readiness` are asked often and answer at once, from memory."""

    def __init__(self, services: Iterable[str], liveness: Callable[[], bool], readiness: Callable[[], bool]) -> None:
        self._liveness = liveness
        self._readiness = readiness
        self._names = ("", READINESS, *services)
        self._draining = False
        self._ended = False
        self._changed = asyncio.Event()
        self._watchers = 0

    def drain(self) -> None:
        """Tell NOT_SERVING from now on, watchers at once."""
        self._draining = True
        self._wake_watchers()

    def end(self) -> None:
        """End every watch, so that a server that stops waits for none."""
        self._ended = True
        self._wake_watchers()

    async def Check(self, request: Any, context: Any) -> Any:
        """Tell the health of one name; NOT_FOUND for one that is not known."""
        status = self._status(request.service)
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"nothing here is called {request.service!r}")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(self, request: Any, context: Any) -> Any:
        """Tell the health of every name."""
        return health_pb2.HealthListResponse(
            statuses={
                name: health_pb2.HealthCheckResponse(status=self._status(name)) for name in (*self._names, LIVENESS)
            }
        )

    async def Watch(self, request: Any, context: Any) -> None:
        """Tell the health of one name now and whenever it changes, until the server stops."""
        if self._watchers >= WATCHERS_MAX:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHERS_MAX} watches are open")
        self._watchers += 1
        try:
            await self._tell_changes(request.service, context)
        finally:
            self._watchers -= 1

    async def _tell_changes(self, name: str, context: Any) -> None:
        told = None
        while not self._ended:
            changed = self._changed
            status = self._status(name)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            try:
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
            except TimeoutError:
                continue

    def _status(self, name: str) -> Any:
        if name == LIVENESS:
            return _serving(self._liveness())
        if name in self._names:
            return _serving(not self._draining and self._readiness())
        return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

    def _wake_watchers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _serving(yes: bool) -> Any:
    return health_pb2.HealthCheckResponse.SERVING if yes else health_pb2.HealthCheckResponse.NOT_SERVING
