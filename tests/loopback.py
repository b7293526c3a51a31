"""Real gRPC on loopback for tests: a server that can die and come back, a wire that can be cut, a made-up service.

The made-up service has one method of every kind that the client's policy tells apart, and speaks plain bytes.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from furlong.common.v1 import policy_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types
from grpc_status import rpc_status

READ = "/furlong.tests.v1.ProbeService/Read"
KEEP = "/furlong.tests.v1.ProbeService/Keep"
WRITE = "/furlong.tests.v1.ProbeService/Write"
FOLLOW = "/furlong.tests.v1.ProbeService/Follow"

DEADLINE_MS = 2_000

Answer = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]
Frames = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], AsyncIterator[bytes]]


def _describe() -> ServiceDescriptor:
    """Make a service up: Read has no side effects, Keep is idempotent, Write is neither, Follow is a stream."""
    file = descriptor_pb2.FileDescriptorProto(
        name="furlong/tests/v1/probe_service.proto",
        package="furlong.tests.v1",
        syntax="proto3",
        dependency=[empty_pb2.DESCRIPTOR.name, policy_pb2.DESCRIPTOR.name],
    )
    service = file.service.add(name="ProbeService")
    for name, level in (
        ("Read", MethodOptions.NO_SIDE_EFFECTS),
        ("Keep", MethodOptions.IDEMPOTENT),
        ("Write", MethodOptions.IDEMPOTENCY_UNKNOWN),
        ("Follow", MethodOptions.NO_SIDE_EFFECTS),
    ):
        stream = name == "Follow"
        method = service.method.add(
            name=name,
            input_type=".google.protobuf.Empty",
            output_type=".google.protobuf.Empty",
            server_streaming=stream,
        )
        method.options.idempotency_level = level
        method.options.Extensions[policy_pb2.policy].CopyFrom(
            policy_pb2.MethodPolicy(
                roles=[policy_pb2.ANYONE],
                deadline_ms=0 if stream else DEADLINE_MS,
                admission=policy_pb2.STREAM if stream else policy_pb2.READ,
            )
        )
    pool = descriptor_pool.Default()
    pool.Add(file)
    return pool.FindServiceByName("furlong.tests.v1.ProbeService")


PROBE_SERVICE = _describe()


def probe_service(answers: Mapping[str, Answer], follow: Frames | None = None) -> Callable[[grpc.aio.Server], None]:
    """Tell how to put the made-up service on a server: `answers` by method, and what Follow sends."""
    handlers: dict[str, Any] = {
        method.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(answer) for method, answer in answers.items()
    }
    if follow is not None:
        handlers["Follow"] = grpc.unary_stream_rpc_method_handler(follow)

    def register(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("furlong.tests.v1.ProbeService", handlers),)
        )

    return register


def ask(
    channel: grpc.aio.Channel, method: str, *, timeout: float | None = None
) -> "grpc.aio.UnaryUnaryCall[bytes, bytes]":
    """Call a method of the made-up service that has one answer."""
    stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    return stub(b"", timeout=timeout)


def follow(channel: grpc.aio.Channel) -> "grpc.aio.UnaryStreamCall[bytes, bytes]":
    """Open the stream of the made-up service."""
    stub: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(FOLLOW)
    return stub(b"")


class Script:
    """Answers calls with what it was told, in this order, and counts them; the last answer is for all further calls."""

    def __init__(self, *outcomes: bytes | grpc.StatusCode) -> None:
        self.calls = 0
        self.attempts_before: list[str | None] = []
        self._outcomes = outcomes

    async def answer(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        outcome = self._outcomes[min(self.calls, len(self._outcomes) - 1)]
        self.calls += 1
        self.attempts_before.append(metadata_of(context).get("grpc-previous-rpc-attempts"))
        if not isinstance(outcome, bytes):
            await context.abort(outcome, "as told")
        return outcome


def metadata_of(context: "grpc.aio.ServicerContext[Any, Any]") -> dict[str, str]:
    """Read the metadata that a call came with."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


async def refuse(
    context: "grpc.aio.ServicerContext[Any, Any]",
    code: grpc.StatusCode,
    reason: str,
    *,
    retry_in_ms: int | None = None,
) -> None:
    """End a call as a Furlong server does: with an ErrorInfo, and a RetryInfo where it says when to come back."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=reason.lower())
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="furlong"))
    if retry_in_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_in_ms)
        status.details.add().Pack(retry)
    await context.abort_with_status(rpc_status.to_status(status))


@dataclass(slots=True, kw_only=True)
class Server:
    """A gRPC server that can be killed and started again on the same port."""

    register: Callable[[grpc.aio.Server], None]
    port: int = 0
    _server: grpc.aio.Server | None = None

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.register(self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def kill(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None


@asynccontextmanager
async def serving(register: Callable[[grpc.aio.Server], None]) -> AsyncIterator[Server]:
    """Run a server for as long as the block lasts."""
    server = Server(register=register)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@dataclass(slots=True, kw_only=True)
class Wire:
    """A TCP relay to a server. Cutting it looks to the client as if the server had been killed with SIGKILL. What comes
    through is late by `delay_s`."""

    to_port: int
    port: int = 0
    connections: int = 0
    delay_s: float = 0.0
    _listener: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def connect(self) -> None:
        """Take connections, on the same port as before."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Abort every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.drop()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def drop(self) -> None:
        """Abort every connection, but go on taking new ones."""
        for writer in self._open:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            to_server = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_server[1]}
        for source, sink in ((reader, to_server[1]), (to_server[0], writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await asyncio.sleep(self.delay_s)
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass  # that is what cutting is for
        finally:
            sink.transport.abort()


@asynccontextmanager
async def wired(to_port: int) -> AsyncIterator[Wire]:
    """Run a wire to a port of this machine for as long as the block lasts."""
    wire = Wire(to_port=to_port)
    await wire.connect()
    try:
        yield wire
    finally:
        await wire.cut()


async def until(condition: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Wait for something that other tasks bring about; a test that waits in vain fails by TimeoutError."""
    async with asyncio.timeout(within_s):
        for pause_s in itertools.chain((0.0, 0.001, 0.005), itertools.repeat(0.02)):
            if condition():
                return
            await asyncio.sleep(pause_s)
