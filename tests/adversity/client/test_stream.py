"""`stream()` leaves nobody in doubt either: whatever becomes of the stream, every batch has its answer, in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from furlong.client import (
    BreakerSettings,
    BreakerState,
    CallRefused,
    OutcomeUnknown,
    Unreachable,
    open_channel,
    ticket_stream,
    uuid7,
)
from furlong.client.ticket_stream import BatchAnswer
from furlong.client.tickets import Tickets
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult
from furlong.game.v1 import ticket_service_pb2 as wire
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.chassis.refusal import Refusal
from tests.loopback import Wire, until, wired
from tests.loopback import serving as bare_serving
from tests.served import Served, config, host_tickets, serving
from tests.tokens import SigningKey

SERVICE = wire.DESCRIPTOR.services_by_name["TicketService"]
ROUND_ID = 17
KEY = SigningKey.make()

Step = Callable[["Till", wire.StreamTicketsRequest], Awaitable[None]]


@dataclass(slots=True)
class Till:
    """A ticket service in memory that keeps what it answered. `steps` go wrong first, one a message."""

    steps: list[Step] = field(default_factory=list)
    seen: list[list[str]] = field(default_factory=list)
    stored: dict[str, TicketResult] = field(default_factory=dict)

    def store(self, request: wire.StreamTicketsRequest) -> list[TicketResult]:
        results = []
        for order in request.tickets:
            replayed = order.request_id in self.stored
            self.stored.setdefault(order.request_id, TicketResult(request_id=order.request_id))
            results.append(TicketResult(request_id=order.request_id, verdict=TicketResult.ACCEPTED, replayed=replayed))
        return results

    async def answer(self, request: wire.StreamTicketsRequest, _: Any) -> wire.StreamTicketsResponse:
        self.seen.append([order.request_id for order in request.tickets])
        if self.steps:
            await self.steps.pop(0)(self, request)
        return wire.StreamTicketsResponse(results=self.store(request))


async def go_well(till: Till, request: wire.StreamTicketsRequest) -> None:
    pass


async def store_and_lose_the_answer(till: Till, request: wire.StreamTicketsRequest) -> None:
    till.store(request)
    raise Refusal(Reason.OUTCOME_UNKNOWN, "who knows")


async def be_overloaded(till: Till, request: wire.StreamTicketsRequest) -> None:
    raise Refusal(Reason.OVERLOADED, "too much", retry_in_ms=10)


async def be_refused(till: Till, request: wire.StreamTicketsRequest) -> None:
    raise Refusal(Reason.ACCOUNT_NOT_YOURS, "not yours")


async def hang(till: Till, request: wire.StreamTicketsRequest) -> None:
    till.store(request)
    await asyncio.Event().wait()


@asynccontextmanager
async def tickets_at(till: Till, **settings: Any) -> AsyncIterator[Tickets]:
    async with (
        serving(host_tickets(StreamTickets=till.answer), settings=config(**settings)) as served,
        open_channel(f"127.0.0.1:{served.server.port}", services=[SERVICE]) as channel,
    ):
        yield Tickets(channel)


def dialogue(answer: Callable[[Any, Any], Awaitable[None]]) -> Callable[[grpc.aio.Server], None]:
    """A server that has nothing but StreamTickets, in bytes."""

    def register(server: grpc.aio.Server) -> None:
        handlers: dict[str, Any] = {"StreamTickets": grpc.stream_stream_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))

    return register


def batches(count: int, size: int = 2) -> list[list[TicketOrder]]:
    line = Line(market=Line.WIN, runners=[3], stake_minor=500)
    account_id = uuid7()
    return [
        [TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line]) for _ in range(size)]
        for _ in range(count)
    ]


async def placed(tickets: Tickets, asked: Sequence[Sequence[TicketOrder]], **options: Any) -> list[BatchAnswer]:
    return [answer async for answer in tickets.stream(ROUND_ID, asked, **options)]


def assert_complete(answers: Sequence[BatchAnswer], asked: Sequence[Sequence[TicketOrder]]) -> None:
    assert [[result.request_id for result in answer.results] for answer in answers] == [
        [order.request_id for order in orders] for orders in asked
    ]


async def test_a_thousand_batches_are_answered_in_order_over_one_stream() -> None:
    till, asked = Till(), batches(1_000, 1)
    async with tickets_at(till) as tickets:
        assert_complete(await placed(tickets, asked), asked)
    assert till.seen == [[order.request_id for order in orders] for orders in asked]


async def test_a_batch_that_is_refused_is_answered_so_and_the_others_go_on() -> None:
    till, asked = Till(steps=[go_well, be_refused]), batches(3)
    async with tickets_at(till) as tickets:
        first, second, third = await placed(tickets, asked)
    assert_complete([first, third], [asked[0], asked[2]])
    assert isinstance(second.error, CallRefused)
    assert (second.error.reason, second.error.code) == ("ACCOUNT_NOT_YOURS", grpc.StatusCode.PERMISSION_DENIED)
    assert second.error.request_ids == tuple(order.request_id for order in asked[1])
    with pytest.raises(CallRefused):
        _ = second.results


@pytest.mark.parametrize("trouble", [store_and_lose_the_answer, be_overloaded], ids=["doubt", "overload"])
async def test_what_can_be_resolved_is_sent_again_and_answered_in_its_place(trouble: Step) -> None:
    till, asked = Till(steps=[go_well, trouble, trouble]), batches(4)
    async with tickets_at(till) as tickets:
        assert_complete(await placed(tickets, asked), asked)
    assert len(till.stored) == 8


async def test_a_connection_that_is_cut_costs_nothing_and_doubles_nothing() -> None:
    async def cut(till: Till, request: wire.StreamTicketsRequest) -> None:
        till.store(request)
        line.drop()
        await asyncio.Event().wait()

    line: Wire
    till, asked = Till(steps=[go_well, go_well, cut]), batches(20)
    async with (
        serving(host_tickets(StreamTickets=till.answer)) as served,
        wired(served.server.port) as line,
        open_channel(line.target, services=[SERVICE]) as channel,
    ):
        assert_complete(await placed(Tickets(channel), asked), asked)
    assert len(till.stored) == 40


async def test_a_server_that_hangs_is_given_up_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket_stream, "ANSWER_S", 0.3)
    till, asked = Till(steps=[go_well, hang]), batches(3)
    async with tickets_at(till) as tickets:
        assert_complete(await placed(tickets, asked), asked)
    assert len(till.stored) == 6


async def test_a_server_that_hangs_for_ever_leaves_doubt_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket_stream, "ANSWER_S", 0.2)
    till, asked = Till(steps=[hang] * 99), batches(2)
    async with tickets_at(till) as tickets:
        answers = await placed(tickets, asked, deadline_s=0.5)
    assert [type(answer.error) for answer in answers] == [OutcomeUnknown, OutcomeUnknown]


async def test_a_server_that_never_accepts_a_stream_leaves_no_doubt_and_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticket_stream, "ANSWER_S", 0.2)
    opened = 0

    async def ignore(_: Any, __: Any) -> None:
        nonlocal opened
        opened += 1
        await asyncio.Event().wait()

    async with bare_serving(dialogue(ignore)) as server, open_channel(server.target, services=[SERVICE]) as channel:
        (answer,) = await placed(Tickets(channel), batches(1), deadline_s=0.9)
    assert isinstance(answer.error, Unreachable)
    assert opened > 1


async def test_doubt_that_outlives_the_deadline_is_told_with_its_ids() -> None:
    till, asked = Till(steps=[store_and_lose_the_answer] * 99), batches(1)
    async with tickets_at(till) as tickets:
        (answer,) = await placed(tickets, asked, deadline_s=0.3)
    assert isinstance(answer.error, OutcomeUnknown)
    assert answer.error.request_ids == tuple(order.request_id for order in asked[0])


async def test_without_a_connection_nothing_is_in_doubt() -> None:
    async with open_channel("127.0.0.1:1", services=[SERVICE]) as channel:
        (answer,) = await placed(Tickets(channel), batches(1), deadline_s=0.2)
    assert isinstance(answer.error, Unreachable)


async def test_a_stranger_is_told_why_for_each_batch(tmp_path: Path) -> None:
    jwks_file = KEY.write_jwks(tmp_path / "jwks.json")
    async with (
        serving(host_tickets(StreamTickets=Till().answer), settings=config(jwks_file)) as served,
        open_channel(f"127.0.0.1:{served.server.port}", services=[SERVICE]) as channel,
    ):
        answers = await placed(Tickets(channel), batches(3))
    assert [(type(answer.error), answer.error and answer.error.reason) for answer in answers] == [
        (CallRefused, "TOKEN_MISSING")
    ] * 3


async def test_a_batch_that_is_too_long_is_refused_here_and_harms_no_other() -> None:
    till, asked = Till(), batches(2)
    long = [TicketOrder(request_id=uuid7(), account_id="x" * 1_000) for _ in range(300)]
    async with tickets_at(till) as tickets:
        first, second, third = await placed(tickets, [asked[0], long, asked[1]])
    assert_complete([first, third], asked)
    assert isinstance(second.error, CallRefused)


async def test_no_more_batches_are_taken_than_may_be_under_way() -> None:
    taken = 0

    async def endless() -> AsyncIterator[list[TicketOrder]]:
        nonlocal taken
        while True:
            taken += 1
            yield batches(1)[0]

    till = Till()
    async with tickets_at(till) as tickets, aclosing(tickets.stream(ROUND_ID, endless(), unanswered_max=3)) as stream:
        await anext(stream)
        await until(lambda: taken >= 3)
        await asyncio.sleep(0.1)
        assert taken == 3
        await anext(stream)
    assert len(till.seen) <= 4


async def test_a_source_that_fails_is_told_after_the_answers_before() -> None:
    def source() -> Any:
        yield from batches(2)
        raise ZeroDivisionError

    async with tickets_at(Till()) as tickets, aclosing(tickets.stream(ROUND_ID, source())) as stream:
        assert [(await anext(stream)).error, (await anext(stream)).error] == [None, None]
        with pytest.raises(ZeroDivisionError):
            await anext(stream)


async def test_a_server_that_drains_costs_nothing_where_another_takes_over() -> None:
    till, asked = Till(), batches(60, 1)
    hosted = host_tickets(StreamTickets=till.answer)
    drained: list[asyncio.Task[None]] = []

    async def source(first: Served) -> AsyncIterator[list[TicketOrder]]:
        for n, orders in enumerate(asked):
            if n == 20:
                drained.append(asyncio.create_task(first.server.drain()))
            await asyncio.sleep(0.005)
            yield orders

    async with serving(hosted) as first, serving(hosted) as second:
        target = f"ipv4:127.0.0.1:{first.server.port},127.0.0.1:{second.server.port}"
        async with open_channel(target, services=[SERVICE], health_check=True) as channel:
            answers = [answer async for answer in Tickets(channel).stream(ROUND_ID, source(first))]
        assert_complete(answers, asked)
        await drained[0]
    assert len(till.stored) == 60


async def test_the_breaker_judges_a_stream_by_its_first_answer() -> None:
    well = False
    changes: list[BreakerState] = []

    async def answer(_: Any, context: Any) -> None:
        if not well:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        await context.write(b"")
        await asyncio.Event().wait()

    async with (
        bare_serving(dialogue(answer)) as server,
        open_channel(
            server.target,
            services=[SERVICE],
            breaker=BreakerSettings(failures_max=1, open_ms=1_000),
            on_breaker_change=lambda change: changes.append(change.after),
        ) as channel,
    ):
        stub = TicketServiceStub(channel)
        for words in ("down", "is left alone"):
            with pytest.raises(grpc.aio.AioRpcError, match=words):
                await anext(aiter(stub.StreamTickets(iter(()))))
        assert changes == [BreakerState.OPEN]
        well = True
        await asyncio.sleep(1.05)
        stream = stub.StreamTickets(iter(()))
        await anext(aiter(stream))
        assert changes == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
        stream.cancel()


async def test_a_stream_is_one_span_of_its_caller_and_ends_well() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with (
        serving(host_tickets(StreamTickets=Till().answer)) as served,
        open_channel(f"127.0.0.1:{served.server.port}", services=[SERVICE], tracer_provider=provider) as channel,
    ):
        await placed(Tickets(channel), batches(5))
        await until(lambda: bool(exporter.get_finished_spans()))
    (span,) = exporter.get_finished_spans()
    assert span.name == "furlong.game.v1.TicketService/StreamTickets"
    assert dict(span.attributes or {})["rpc.response.status_code"] == "OK"
