"""A stand-in for game: a grpc.aio server with every public method, that answers as a test tells it and keeps count."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import grpc
from furlong.game.v1 import account_service_pb2, round_service_pb2, ticket_service_pb2, track_service_pb2
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

FILES = (account_service_pb2, round_service_pb2, ticket_service_pb2, track_service_pb2)
SERVICES = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
METHODS: Mapping[str, Any] = {method.name: method for service in SERVICES for method in service.methods}

Context = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Context], Awaitable[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What arrived at the server."""

    method: str
    request: Any
    metadata: Mapping[str, str]
    time_left_s: float | None


class FakeGame:
    """The server, on a loop and a thread of its own, so that any kind of test can use it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Answer] = {}
        self.frames: Sequence[Message] = ()
        self.dialogues_ended = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: grpc.aio.Server | None = None

    def start(self, port: int = 0) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        self._run(self._start(port))

    def stop(self) -> None:
        """End the server, as a crash would: calls in progress break."""
        self._run(self._stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def forget(self) -> None:
        self.calls.clear()
        self.answers.clear()
        self.frames = ()
        self.dialogues_ended = 0

    @property
    def last(self) -> Call:
        return self.calls[-1]

    def _run(self, work: Any) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(10)

    async def _start(self, port: int) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
            self._server.add_generic_rpc_handlers((generic,))
        ready = health.aio.HealthServicer()
        await ready.set("readiness", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(ready, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    def _handler(self, method: Any) -> Any:
        request = GetMessageClass(method.input_type)
        response = GetMessageClass(method.output_type)

        def record(message: Message, context: Context) -> None:
            metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
            left_s = context.time_remaining()
            self.calls.append(Call(method=method.name, request=message, metadata=metadata, time_left_s=left_s))

        async def unary(message: Message, context: Context) -> Message:
            record(message, context)
            answer = self.answers.get(method.name)
            return await answer(message, context) if answer else response()

        async def stream(message: Message, context: Context) -> None:
            record(message, context)
            answer = self.answers.get(method.name)
            if answer:
                await answer(message, context)
            for frame in self.frames:
                await context.write(frame)

        async def dialogue(messages: Any, context: Context) -> None:
            await context.send_initial_metadata((("furlong-messages-max", "16"),))
            try:
                async for message in messages:
                    await context.write(await unary(message, context))
            finally:
                self.dialogues_ended += 1

        kind = "_".join("stream" if each else "unary" for each in (method.client_streaming, method.server_streaming))
        make: Any = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(
            {"unary_unary": unary, "unary_stream": stream, "stream_stream": dialogue}[kind],
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
