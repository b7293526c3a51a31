"""A chassis server on loopback for tests, with stand-ins for services of which a test says how they answer."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import grpc
from furlong.game.v1 import round_service_pb2 as rounds_pb2
from furlong.game.v1 import round_service_pb2_grpc as rounds_grpc
from furlong.game.v1 import ticket_service_pb2 as tickets_pb2
from furlong.game.v1 import ticket_service_pb2_grpc as tickets_grpc
from furlong.persist.v1 import lease_service_pb2 as leases_pb2
from furlong.persist.v1 import lease_service_pb2_grpc as leases_grpc
from furlong.persist.v1 import ledger_service_pb2 as ledger_pb2
from furlong.persist.v1 import ledger_service_pb2_grpc as ledger_grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from services.chassis.call import Dialogue
from services.chassis.clock import Clock, SystemClock
from services.chassis.server import KEEPALIVE, Hosted, Keepalive, Server, ServerConfig
from services.chassis.validation import Validators

DIALOGUES = {
    "StreamTickets": Dialogue(
        like="PlaceTickets", refused=lambda refused: tickets_pb2.StreamTicketsResponse(refused=refused)
    )
}

Answer = Callable[[Any, Any], Any]
"""A handler: a coroutine function, or an async generator function, of request and context."""


def host_rounds(*, raw: bool = False, **answers: Answer) -> Hosted:
    """Host game's RoundService: anyone may read (class READ, 1,000 ms) and watch (class STREAM, no deadline)."""
    return _host(rounds_grpc.add_RoundServiceServicer_to_server, rounds_pb2, "RoundService", answers, raw=raw)


def host_leases(**answers: Answer) -> Hosted:
    """Host persist's LeaseService: services alone may call it (class RESERVED, 1,000 ms)."""
    return _host(leases_grpc.add_LeaseServiceServicer_to_server, leases_pb2, "LeaseService", answers)


def host_ledger(**answers: Answer) -> Hosted:
    """Host persist's LedgerService: services alone may call it; CreditAccount is of class WRITE."""
    return _host(ledger_grpc.add_LedgerServiceServicer_to_server, ledger_pb2, "LedgerService", answers)


def host_tickets(**answers: Answer) -> Hosted:
    """Host game's TicketService: StreamTickets is a dialogue, answered message by message like PlaceTickets."""
    return _host(
        tickets_grpc.add_TicketServiceServicer_to_server, tickets_pb2, "TicketService", answers, dialogues=DIALOGUES
    )


def _host(
    add: Any,
    module: Any,
    name: str,
    answers: dict[str, Answer],
    *,
    raw: bool = False,
    dialogues: Mapping[str, Dialogue] = MappingProxyType({}),
) -> Hosted:
    descriptor = module.DESCRIPTOR.services_by_name[name]
    unexpected = answers.keys() - descriptor.methods_by_name.keys()
    assert not unexpected, f"{name} has no {unexpected}"
    servicer = SimpleNamespace(**{method.name: answers.get(method.name, _unasked) for method in descriptor.methods})
    raw_streams = frozenset(method.name for method in descriptor.methods if method.server_streaming) if raw else ()
    return Hosted(
        add=add,
        servicer=servicer,
        descriptor=descriptor,
        raw_streams=frozenset(raw_streams),
        dialogues=dialogues,
    )


async def _unasked(request: Any, context: Any) -> Any:
    raise NotImplementedError("the test said no answer for this method")


@dataclass(slots=True, kw_only=True)
class Served:
    """A server, a channel to it (`bare` is the same, for calls that no stub makes), and what a test may switch."""

    server: Server
    channel: grpc.aio.Channel
    bare: Any = None
    ready: list[bool] = field(default_factory=lambda: [True])

    @property
    def rounds(self) -> "rounds_grpc.RoundServiceAsyncStub":
        return rounds_grpc.RoundServiceStub(self.channel)

    @property
    def tickets(self) -> "tickets_grpc.TicketServiceAsyncStub":
        return tickets_grpc.TicketServiceStub(self.channel)

    @property
    def leases(self) -> "leases_grpc.LeaseServiceAsyncStub":
        return leases_grpc.LeaseServiceStub(self.channel)

    @property
    def ledger(self) -> "ledger_grpc.LedgerServiceAsyncStub":
        return ledger_grpc.LedgerServiceStub(self.channel)


def config(jwks_file: Path | None = None, **settings: Any) -> ServerConfig:
    """Make settings for a test: without keys access is off; every trace is recorded; draining has no patience."""
    access = {"auth": "off"} if jwks_file is None else {"jwks_file": jwks_file}
    return ServerConfig(**({"drain_grace_ms": 2_000, "trace_sample_ratio": 1.0} | access | settings))


async def _nothing() -> None:
    return None


@asynccontextmanager
async def serving(
    *hosted: Hosted,
    settings: ServerConfig | None = None,
    validators: Validators | None = None,
    on_drain: Callable[[], Awaitable[None]] = _nothing,
    clock: Clock | None = None,
    keepalive: Keepalive = KEEPALIVE,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    callers: Set[str] = frozenset(),
) -> AsyncIterator[Served]:
    """Start a server, open a channel of its own to it, in clear text, and drain it at the end unless the test did."""
    ready = [True]
    server = Server(
        name="tested",
        config=settings or config(),
        hosted=hosted,
        validators=validators or {},
        liveness=lambda: True,
        readiness=lambda: ready[0],
        on_drain=on_drain,
        clock=clock or SystemClock(),
        keepalive=keepalive,
        callers=callers,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
    )
    await server.start()
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
        try:
            yield Served(server=server, channel=channel, bare=channel, ready=ready)
        finally:
            await server.drain()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What a caller is told."""

    code: grpc.StatusCode
    reason: str
    message: str
    retry_in_ms: int | None
    fields: Sequence[str]
    metadata: dict[str, str]


async def refused(call: Awaitable[Any]) -> Refused:
    """Await a call that must fail, and read its refusal. A status not of our own making has reason ""."""
    try:
        response = await call
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError(f"answered with {response!r}")


def read_refusal(error: grpc.aio.AioRpcError) -> Refused:
    """Read the details that came with an error."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            status.ParseFromString(value)
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    found = {detail.TypeName() for each in (info, bad, retry) for detail in status.details if detail.Unpack(each)}
    delay = retry.retry_delay
    return Refused(
        code=error.code(),
        reason=info.reason,
        message=error.details() or "",
        retry_in_ms=delay.seconds * 1_000 + delay.nanos // 1_000_000 if "google.rpc.RetryInfo" in found else None,
        fields=[violation.field for violation in bad.field_violations],
        metadata=dict(info.metadata),
    )
