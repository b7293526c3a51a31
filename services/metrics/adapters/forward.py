"""Passing on: what came over OTLP goes to another OTLP endpoint, byte for byte.

Messages wait in a bounded queue and are sent one after another, each once. What does not fit, or cannot be sent in
time, is counted and gone: the next message will tell more than an old one, and nobody here ever waits for the endpoint.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc
import structlog

from services.chassis.clock import Clock
from services.chassis.line_budget import LineBudget
from services.metrics.ports import Signal

SEND_TIMEOUT_S: Final = 5.0
"""How long a message may take, a connection that has to come back first included."""

RECONNECT_MS_MAX: Final = 1_000

Export: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    signal: Signal
    encoded: bytes
    items: int


class OtlpForward:
    """Sends to `endpoint`, like http://host:4317 or https://host:4317. At most `bytes_max` wait."""

    def __init__(self, *, endpoint: str, bytes_max: int, clock: Clock) -> None:
        self._endpoint = endpoint
        self._bytes_max = bytes_max
        self._budget = LineBudget(clock)
        self._waiting: deque[_Message] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._dropped = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        """The spans and points that were not passed on, since the start."""
        return self._dropped

    @property
    def waiting_bytes(self) -> int:
        """The bytes that wait."""
        return self._bytes

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._send_all(), name="otlp-forward")

    async def close(self) -> None:
        """Stop; what waits is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def offer(self, signal: Signal, message: bytes, items: int) -> None:
        """Take a message, if there is room."""
        if self._bytes + len(message) > self._bytes_max:
            self._lose(items, "the queue is full")
            return
        self._waiting.append(_Message(signal=signal, encoded=message, items=items))
        self._bytes += len(message)
        self._arrived.set()

    async def _send_all(self) -> None:
        async with self._channel() as channel:
            exports: dict[Signal, Export] = {signal: channel.unary_unary(signal.value) for signal in Signal}
            while True:
                while self._waiting:
                    message = self._waiting[0]  # it counts as waiting until it is sent
                    await self._send(exports[message.signal], message)
                    self._waiting.popleft()
                    self._bytes -= len(message.encoded)
                self._arrived.clear()
                await self._arrived.wait()

    async def _send(self, export: Export, message: _Message) -> None:
        call = export(message.encoded, timeout=SEND_TIMEOUT_S, wait_for_ready=True)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            self._lose(message.items, f"{error.code().name}: {error.details()}")
        finally:
            call.cancel()

    def _lose(self, items: int, cause: str) -> None:
        self._dropped += items
        kept_back = self._budget.spend(("forward", "dropped"))
        if kept_back is not None:
            log.warning("not_passed_on", endpoint=self._endpoint, items=items, cause=cause, kept_back=kept_back)

    def _channel(self) -> grpc.aio.Channel:
        target = self._endpoint.removeprefix("http://").removeprefix("https://")
        options = [
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", RECONNECT_MS_MAX),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._endpoint.startswith("https://"):
            return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=options)
        return grpc.aio.insecure_channel(target, options=options)
