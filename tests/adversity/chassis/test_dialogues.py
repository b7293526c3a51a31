"""Clients that do not read, do not end or leave in crowds cost a server a bounded amount, and no answer is lost."""

import asyncio
import time
from typing import Any

import grpc
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.game.v1 import ticket_service_pb2 as pb2

from tests.loopback import until
from tests.served import config, host_tickets, read_refusal, serving

MESSAGES = 1_000
MESSAGES_MAX = 16
LONG = "x" * 64 * 1_024


class Desk:
    """Answers at once, at length, and counts what it began and what is in progress."""

    def __init__(self, words: str = "") -> None:
        self.words = words
        self.begun = 0
        self.in_progress = 0
        self.in_progress_most = 0
        self.waits = False

    async def answer(self, request: pb2.StreamTicketsRequest, _: Any) -> pb2.StreamTicketsResponse:
        self.begun += 1
        self.in_progress += 1
        self.in_progress_most = max(self.in_progress, self.in_progress_most)
        try:
            await (asyncio.Event().wait() if self.waits else asyncio.sleep(0))
        finally:
            self.in_progress -= 1
        result = TicketResult(request_id=str(request.round_id), reason=self.words)
        return pb2.StreamTicketsResponse(results=[result])


async def test_a_client_that_does_not_read_is_held_back_and_then_gets_every_answer() -> None:
    desk = Desk(LONG)
    async with serving(host_tickets(StreamTickets=desk.answer)) as served:
        stream = served.tickets.StreamTickets()

        async def write() -> None:
            for number in range(MESSAGES):
                await stream.write(pb2.StreamTicketsRequest(round_id=number))
            await stream.done_writing()

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.5)
        # What is read and not answered, and what fits into the windows of the connection.
        assert desk.begun < MESSAGES_MAX + 64
        numbers = []
        while (answer := await stream.read()) is not grpc.aio.EOF:
            assert isinstance(answer, pb2.StreamTicketsResponse)
            numbers.append(int(answer.results[0].request_id))
        await writing
    assert numbers == list(range(MESSAGES))
    assert desk.in_progress_most <= MESSAGES_MAX


async def test_streams_that_nobody_ends_take_their_room_and_are_ended_by_a_drain() -> None:
    desk = Desk()
    settings = config(admission_stream_max=200, drain_grace_ms=60_000)
    async with serving(host_tickets(StreamTickets=desk.answer), settings=settings) as served:
        streams = [served.tickets.StreamTickets() for _ in range(200)]
        for stream in streams:
            await stream.write(pb2.StreamTicketsRequest(round_id=1))
            await stream.read()
        one_more = served.tickets.StreamTickets()
        assert (await _ending(one_more)).reason == "OVERLOADED"
        began_s = time.monotonic()
        await served.server.drain()
        assert time.monotonic() - began_s < 20
        assert {(await _ending(stream)).reason for stream in streams} == {"DRAINING"}


async def test_a_crowd_that_leaves_in_the_middle_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.waits = True
    async with serving(host_tickets(StreamTickets=desk.answer), settings=config(admission_write_max=10_000)) as served:
        streams = [served.tickets.StreamTickets() for _ in range(100)]
        for stream in streams:
            for number in range(5):
                await stream.write(pb2.StreamTicketsRequest(round_id=number))
        await until(lambda: desk.in_progress == 500)
        for stream in streams:
            stream.cancel()
        await until(lambda: desk.in_progress == 0)
        desk.waits = False
        last = served.tickets.StreamTickets(iter([pb2.StreamTicketsRequest(round_id=7)]))
        assert [answer.results[0].request_id async for answer in last] == ["7"]


async def _ending(stream: Any) -> Any:
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError("the stream ended well")
