"""A stream of requests through a whole server: every message passes the stages by itself, and the stream lives on."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.game.v1 import ticket_service_pb2 as pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from services.chassis import principal
from services.chassis.refusal import Refusal
from services.chassis.validation import Checks, Validators
from tests.clocks import ManualClock
from tests.loopback import until
from tests.served import Served, config, host_tickets, read_refusal, serving
from tests.tokens import SigningKey, bearer

KEY = SigningKey.make()
PATH = "/furlong.game.v1.TicketService/StreamTickets"


def check(request: pb2.StreamTicketsRequest, checks: Checks) -> None:
    checks.between("round_id", request.round_id, 1, 1_000)


VALIDATORS: Validators = {pb2.StreamTicketsRequest: check}


class Desk:
    """Answers with the number of the round; some numbers have a meaning."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.waits = asyncio.Event()
        self.gone = asyncio.Event()

    async def answer(self, request: pb2.StreamTicketsRequest, _: Any) -> pb2.StreamTicketsResponse:
        match request.round_id:
            case 666:
                raise ZeroDivisionError("secret")
            case 403:
                raise Refusal(Reason.ACCOUNT_NOT_YOURS, f"not {principal.current().subject}'s")
            case 999:
                self.waits.set()
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    self.gone.set()
                    raise
        return pb2.StreamTicketsResponse(results=[TicketResult(request_id=str(request.round_id))])


def told(responses: Sequence[pb2.StreamTicketsResponse]) -> Sequence[str]:
    return [
        Reason.Name(each.refused.reason) if each.HasField("refused") else each.results[0].request_id
        for each in responses
    ]


async def say(served: Served, *rounds: int, metadata: Any = ()) -> Sequence[pb2.StreamTicketsResponse]:
    """Send messages, say no more, and read all answers."""
    requests = iter([pb2.StreamTicketsRequest(round_id=each) for each in rounds])
    return [response async for response in served.tickets.StreamTickets(requests, metadata=metadata)]


async def ending(stream: Any) -> Any:
    """Read a stream to its end, which must be a refusal.

    None of these streams is written to any more: gRPC for Python lets a write that comes too late hide the refusal
    behind a status INTERNAL of its own. `furlong.client` writes when the stream has been accepted.
    """
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError("the stream ended well")


async def test_messages_are_answered_in_order_each_for_itself() -> None:
    async with serving(host_tickets(StreamTickets=Desk().answer), validators=VALIDATORS) as served:
        answers = await say(served, 1, 0, 403, 2, 666, 3)
    assert told(answers) == ["1", "MALFORMED", "ACCOUNT_NOT_YOURS", "2", "INTERNAL_DEFECT", "3"]
    assert answers[1].refused.message == "round_id: 0 is not between 1 and 1000"
    assert "secret" not in answers[4].refused.message


async def test_a_message_runs_out_of_time_like_its_unary_twin_and_the_stream_goes_on() -> None:
    desk = Desk()
    async with serving(host_tickets(StreamTickets=desk.answer)) as served:
        answers = await say(served, 999, 1)
    assert told(answers) == ["OUT_OF_TIME", "1"]
    assert answers[0].refused.message == "no answer within 2000 ms"
    assert desk.gone.is_set()


async def test_a_message_takes_room_of_the_class_of_its_unary_twin() -> None:
    desk = Desk()
    settings = config(admission_write_max=1)
    with capture_logs() as lines:
        async with serving(host_tickets(StreamTickets=desk.answer), settings=settings) as served:
            stream = served.tickets.StreamTickets()
            await stream.write(pb2.StreamTicketsRequest(round_id=999))
            await stream.write(pb2.StreamTicketsRequest(round_id=1))
            await desk.waits.wait()
            await until(lambda: any(line.get("reason") == "OVERLOADED" for line in lines))
            desk.release.set()
            await stream.done_writing()
            answers = [answer async for answer in stream]
    assert told(answers) == ["999", "OVERLOADED"]
    assert answers[1].refused.retry_in_ms > 0


async def test_more_streams_than_there_is_room_for_are_refused() -> None:
    async with serving(host_tickets(StreamTickets=Desk().answer), settings=config(admission_stream_max=1)) as served:
        first = served.tickets.StreamTickets()
        await first.write(pb2.StreamTicketsRequest(round_id=1))
        await first.read()
        refusal = await ending(served.tickets.StreamTickets())
        await first.done_writing()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "TOKEN_MISSING"),
        (bearer("forged"), "TOKEN_INVALID"),
        (bearer(KEY.token(roles=["AUDITOR"])), "ROLE_MISSING"),
    ],
    ids=["nobody", "forged", "auditor"],
)
async def test_a_stranger_is_told_why(metadata: Any, reason: str, tmp_path: Path) -> None:
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    async with serving(host_tickets(StreamTickets=Desk().answer), settings=settings) as served:
        refusal = await ending(served.tickets.StreamTickets(metadata=metadata))
    assert refusal.reason == reason


async def test_messages_after_the_end_of_the_token_are_refused(tmp_path: Path) -> None:
    clock = ManualClock(now_ms=time.time_ns() // 1_000_000)
    token = bearer(KEY.token(roles=["PLAYER"], ttl_s=60))
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    async with serving(host_tickets(StreamTickets=Desk().answer), settings=settings, clock=clock) as served:
        stream = served.tickets.StreamTickets(metadata=token)
        await stream.write(pb2.StreamTicketsRequest(round_id=1))
        before = await stream.read()
        clock.advance_ms(120_000)
        await stream.write(pb2.StreamTicketsRequest(round_id=2))
        after = await stream.read()
        await stream.done_writing()
    assert isinstance(before, pb2.StreamTicketsResponse)
    assert isinstance(after, pb2.StreamTicketsResponse)
    assert told([before, after]) == ["1", "TOKEN_INVALID"]


async def test_a_client_that_goes_away_leaves_no_work_behind() -> None:
    desk = Desk()
    async with serving(host_tickets(StreamTickets=desk.answer)) as served:
        stream = served.tickets.StreamTickets()
        await stream.write(pb2.StreamTicketsRequest(round_id=999))
        await desk.waits.wait()
        stream.cancel()
        async with asyncio.timeout(10):
            await desk.gone.wait()


async def test_a_server_that_drains_answers_what_it_has_read_and_says_that_the_rest_was_not_done() -> None:
    desk = Desk()
    async with serving(host_tickets(StreamTickets=desk.answer)) as served:
        stream = served.tickets.StreamTickets()
        await stream.write(pb2.StreamTicketsRequest(round_id=999))
        await desk.waits.wait()
        draining = asyncio.ensure_future(served.server.drain())
        await asyncio.sleep(0.05)
        desk.release.set()
        answer = await stream.read()
        refusal = await ending(stream)
        await draining
    assert isinstance(answer, pb2.StreamTicketsResponse)
    assert told([answer]) == ["999"]
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")


async def test_bytes_that_are_no_message_end_the_stream_as_malformed() -> None:
    async with serving(host_tickets(StreamTickets=Desk().answer)) as served:
        refusal = await ending(served.bare.stream_stream(PATH)(iter([b"\x08"])))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")


async def test_a_message_that_is_too_long_ends_the_stream() -> None:
    async with serving(host_tickets(StreamTickets=Desk().answer), settings=config(message_bytes_max=1_024)) as served:
        message = b"\x08\x01" + b"\x12\xff\x07" + bytes(1_023)
        refusal = await ending(served.bare.stream_stream(PATH)(iter([message])))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_each_message_has_a_trace_and_a_log_line_of_its_own() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    hosted = host_tickets(StreamTickets=Desk().answer)
    with capture_logs() as lines:
        async with serving(hosted, tracer_provider=provider) as served:
            await say(served, 1, 403)
    spans = exporter.get_finished_spans()
    method = PATH.removeprefix("/")
    assert [span.name for span in spans] == [f"{method}.message", f"{method}.message", method]
    assert len({span.context.trace_id for span in spans if span.context is not None}) == 3
    calls = [(line["rpc_method"], line["reason"]) for line in lines if line["event"] == "call"]
    assert calls == [(f"{method}.message", "ACCOUNT_NOT_YOURS")]
