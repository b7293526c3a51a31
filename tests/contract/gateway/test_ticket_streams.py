"""A stream of requests passes the gateway as it comes: nothing waits for its end, and only its messages are bounded."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from furlong.client import connect
from furlong.common.v1.ticket_pb2 import TicketOrder, TicketResult
from furlong.game.v1 import ticket_service_pb2 as pb
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub

from tests.contract.gateway.fake_game import Context, FakeGame
from tests.loopback import refuse, until

ROUND_ID = 17


async def echo(request: Any, context: Context) -> pb.StreamTicketsResponse:
    results = [TicketResult(request_id=order.request_id[:36]) for order in request.tickets]
    return pb.StreamTicketsResponse(results=results)


@pytest.fixture
async def channel(gateway: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(gateway, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


def message(number: int, size: int = 0) -> pb.StreamTicketsRequest:
    return pb.StreamTicketsRequest(round_id=ROUND_ID, tickets=[TicketOrder(request_id=f"{number:036}" + size * "x")])


async def answer_of(stream: Any) -> str:
    response = await stream.read()
    assert isinstance(response, pb.StreamTicketsResponse)
    return response.results[0].request_id


async def test_each_message_is_answered_before_the_next_is_sent(channel: grpc.aio.Channel, game: FakeGame) -> None:
    game.answers["StreamTickets"] = echo
    stream = TicketServiceStub(channel).StreamTickets()
    for number in range(5):
        await stream.write(message(number))
        assert await answer_of(stream) == f"{number:036}"
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF


async def test_a_stream_may_be_longer_in_all_than_any_request(channel: grpc.aio.Channel, game: FakeGame) -> None:
    game.answers["StreamTickets"] = echo
    stream = TicketServiceStub(channel).StreamTickets()
    for number in range(8):
        await stream.write(message(number, size=200 * 1_024))
        assert await answer_of(stream) == f"{number:036}"
    stream.cancel()


async def test_the_game_hears_when_the_client_goes_away(channel: grpc.aio.Channel, game: FakeGame) -> None:
    game.answers["StreamTickets"] = echo
    stream = TicketServiceStub(channel).StreamTickets()
    await stream.write(message(1))
    await answer_of(stream)
    stream.cancel()
    await until(lambda: game.dialogues_ended == 1)


async def test_a_stream_that_the_game_ends_tells_why(channel: grpc.aio.Channel, game: FakeGame) -> None:
    async def drain(request: Any, context: Context) -> pb.StreamTicketsResponse:
        await refuse(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_in_ms=1_000)
        raise AssertionError("refused")

    game.answers["StreamTickets"] = drain
    stream = TicketServiceStub(channel).StreamTickets()
    await stream.write(message(1))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stream.read()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert b"DRAINING" in dict(ended.value.trailing_metadata() or ())["grpc-status-details-bin"]


async def test_the_client_library_streams_through_the_gateway(gateway: str, game: FakeGame) -> None:
    game.answers["StreamTickets"] = echo
    asked = [[TicketOrder(request_id=f"{number:036}")] for number in range(100)]
    async with connect(gateway) as furlong:
        answers = [answer async for answer in furlong.tickets.stream(ROUND_ID, asked)]
    assert [answer.results[0].request_id for answer in answers] == [orders[0].request_id for orders in asked]
    assert {call.request.round_id for call in game.calls} == {ROUND_ID}


async def test_a_game_that_crashes_in_the_middle_is_sent_the_same_ids_again(gateway: str, game: FakeGame) -> None:
    crashed = False

    async def crash_once(request: Any, context: Context) -> pb.StreamTicketsResponse:
        nonlocal crashed
        if not crashed and request.tickets[0].request_id == f"{5:036}":
            crashed = True
            context.cancel()  # type: ignore[attr-defined] # what a crash looks like from outside
            await asyncio.Event().wait()
        return await echo(request, context)

    game.answers["StreamTickets"] = crash_once
    asked = [[TicketOrder(request_id=f"{number:036}")] for number in range(20)]
    async with connect(gateway) as furlong:
        answers = [answer async for answer in furlong.tickets.stream(ROUND_ID, asked)]
    assert crashed
    assert [answer.results[0].request_id for answer in answers] == [orders[0].request_id for orders in asked]


def test_a_stream_of_requests_has_no_rest_form(rest: httpx.Client, game: FakeGame) -> None:
    answer = rest.post("/furlong.game.v1.TicketService/StreamTickets", json={"round_id": "17"})

    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (404, "METHOD_UNKNOWN")
    assert not game.calls
