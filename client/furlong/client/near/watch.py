"""The watch: one task that hears of changes for as long as the near cache lives, and resumes after every break."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import grpc
from furlong.cache.v1.cache_service_pb2 import WatchChangesResponse
from furlong.client import deadline
from furlong.client.backoff import Backoff, Timing
from furlong.client.cache_refusals import Refusals
from furlong.client.errors import from_rpc
from furlong.client.near.change import read
from furlong.client.near.namespace import NearNamespace
from furlong.client.near.service import Service
from furlong.client.near.trust import Trust

RESUME_FIRST_MS: Final = 50
RESUME_MAX_MS: Final = 2_000

MUTE_S: Final = 2.0
"""How long a stream may be silent before it is given up and opened anew, in seconds."""

_log = logging.getLogger(__name__)


class Watch:
    """Runs as one task from `start` to `close`. `gaps` counts the sessions that ended."""

    def __init__(
        self, *, namespaces: Mapping[str, NearNamespace], trust: Trust, service: Service, timing: Timing
    ) -> None:
        self.gaps = 0
        self._namespaces = namespaces
        self._trust = trust
        self._service = service
        self._timing = timing
        self._pauses = Backoff(RESUME_FIRST_MS, RESUME_MAX_MS, timing.chance)
        self._task: asyncio.Task[None] | None = None
        self._refusals = Refusals("to be watched")

    def start(self) -> None:
        """Begin to hear."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="near cache watch")

    async def close(self) -> None:
        """Hear no more; from now on nothing that is kept can be trusted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._lose()

    async def _run(self) -> None:
        deadline.set_inbound(None)
        while True:
            asked_ms: int | None = None
            try:
                await self._listen()
            except grpc.aio.AioRpcError as failure:
                asked_ms = from_rpc(failure).retry_in_ms
                self._refusals.note(failure)
            except TimeoutError:
                pass  # it was silent for too long; another replica may have more to say
            except Exception:
                # A defect of ours. The task must live on: without it nothing is ever kept again.
                _log.exception("the watch of the near cache failed")
            finally:
                self._lose()
            await self._timing.sleep_s(self._pauses.next_s(asked_ms))

    async def _listen(self) -> None:
        """Take words in until the stream ends. Raises AioRpcError, and TimeoutError after MUTE_S of silence."""
        loop = asyncio.get_running_loop()
        call = self._service.watch(tuple(self._namespaces))
        try:
            async with asyncio.timeout(MUTE_S) as silence:
                async for word in call:
                    silence.reschedule(loop.time() + MUTE_S)
                    self.take(word)
        finally:
            call.cancel()

    def take(self, word: WatchChangesResponse) -> None:
        """Take one word in."""
        if self._trust.is_hearing and (word.kind == WatchChangesResponse.GAP or word.epoch != self._trust.epoch):
            self._lose()
        now_s = self._timing.monotonic_s()
        if word.kind == WatchChangesResponse.CHANGE:
            namespace = self._namespaces.get(word.namespace)
            if namespace is not None:
                namespace.hear(read(word))
        if self._trust.is_hearing:
            self._trust.hear(now_s)
        elif word.kind == WatchChangesResponse.HEARTBEAT:
            self._trust.begin(word.epoch, now_s)
            self._pauses.reset()
            self._refusals.over()

    def _lose(self) -> None:
        if not self._trust.is_hearing:
            return
        self._trust.lose()
        self.gaps += 1
        for namespace in self._namespaces.values():
            namespace.end_session()
