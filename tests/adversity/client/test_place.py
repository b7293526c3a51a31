"""`place()` leaves nobody in doubt: what a till saw, what it stored, and what the caller was told."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from furlong.client import CallRefused, OutcomeUnknown, Unreachable, open_channel, uuid7
from furlong.client.backoff import Timing
from furlong.client.tickets import Tickets
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult
from furlong.game.v1 import ticket_service_pb2 as wire

from tests.loopback import Wire, refuse, serving, until, wired

SERVICE = wire.DESCRIPTOR.services_by_name["TicketService"]
ROUND_ID = 17

Step = Callable[["Till", wire.PlaceTicketsRequest, Any], Awaitable[None]]


@dataclass(slots=True)
class Till:
    """A ticket service in memory that keeps what it answered. `steps` go wrong first, one an attempt."""

    steps: list[Step] = field(default_factory=list)
    forever: Step | None = None
    seen: list[list[str]] = field(default_factory=list)
    stored: dict[str, TicketResult] = field(default_factory=dict)

    def answer(self, request: wire.PlaceTicketsRequest) -> wire.PlaceTicketsResponse:
        results = []
        for order in request.tickets:
            replayed = order.request_id in self.stored
            result = self.stored.setdefault(
                order.request_id, TicketResult(request_id=order.request_id, verdict=TicketResult.ACCEPTED)
            )
            results.append(TicketResult(request_id=result.request_id, verdict=result.verdict, replayed=replayed))
        return wire.PlaceTicketsResponse(results=results)

    async def place(self, request: wire.PlaceTicketsRequest, context: Any) -> wire.PlaceTicketsResponse:
        self.seen.append([order.request_id for order in request.tickets])
        step = self.steps.pop(0) if self.steps else self.forever
        if step is not None:
            await step(self, request, context)
        return self.answer(request)

    def register(self, server: grpc.aio.Server) -> None:
        handler = grpc.unary_unary_rpc_method_handler(
            self.place,
            request_deserializer=wire.PlaceTicketsRequest.FromString,
            response_serializer=wire.PlaceTicketsResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE.full_name, {"PlaceTickets": handler}),)
        )


async def store_and_lose_the_answer(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
    till.answer(request)
    await refuse(context, grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")


async def lose(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
    await refuse(context, grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")


async def be_overloaded(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
    await refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_in_ms=700)


async def be_malformed(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
    await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")


async def go_well(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
    pass


@dataclass(slots=True)
class Patience:
    """A clock that only sleeping moves on, so that ten seconds of trying take none."""

    now_s: float = 0.0
    slept_s: list[float] = field(default_factory=list)

    async def sleep_s(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)

    def timing(self) -> Timing:
        return Timing(monotonic_s=lambda: self.now_s, sleep_s=self.sleep_s, chance=lambda: 0.5)


@asynccontextmanager
async def tickets_at(till: Till, patience: Patience) -> AsyncIterator[Tickets]:
    async with serving(till.register) as server, open_channel(server.target, services=[SERVICE]) as channel:
        yield Tickets(channel, patience.timing())


def orders(count: int) -> list[TicketOrder]:
    line = Line(market=Line.WIN, runners=[3], stake_minor=500)
    account_id = uuid7()
    return [TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line]) for _ in range(count)]


async def test_a_lost_answer_is_resolved_by_sending_the_same_ids_again() -> None:
    till = Till(steps=[store_and_lose_the_answer, *[lose] * 6])  # more than gRPC's own retries bear
    asked = orders(3)
    async with tickets_at(till, Patience()) as tickets:
        results = await tickets.place(ROUND_ID, asked)
    ids = [order.request_id for order in asked]
    assert [(result.request_id, result.verdict, result.replayed) for result in results] == [
        (request_id, TicketResult.ACCEPTED, True) for request_id in ids
    ]
    assert list(till.stored) == ids
    assert till.seen == [ids] * 8


async def test_a_connection_lost_after_the_commit_is_resolved_by_sending_the_same_ids_again() -> None:
    async def cut(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
        till.answer(request)
        line.drop()
        await asyncio.Event().wait()

    till = Till(steps=[cut])
    line: Wire
    async with (
        serving(till.register) as server,
        wired(server.port) as line,
        open_channel(line.target, services=[SERVICE]) as channel,
    ):
        (result,) = await Tickets(channel).place(ROUND_ID, orders(1))
    assert (result.verdict, result.replayed) == (TicketResult.ACCEPTED, True)
    assert len(till.stored) == 1


async def test_doubt_that_outlives_the_deadline_is_told_with_the_ids() -> None:
    till, patience = Till(forever=lose), Patience()
    asked = orders(2)
    async with tickets_at(till, patience) as tickets:
        with pytest.raises(OutcomeUnknown) as caught:
            await tickets.place(ROUND_ID, asked, deadline_s=10)
    assert list(caught.value.request_ids) == [order.request_id for order in asked]
    assert 8 < patience.now_s < 10
    assert max(patience.slept_s) <= 1


async def test_a_refusal_after_a_lost_answer_does_not_end_the_doubt() -> None:
    till = Till(steps=[store_and_lose_the_answer, lose, lose, be_malformed])
    async with tickets_at(till, Patience()) as tickets:
        with pytest.raises(OutcomeUnknown) as caught:
            await tickets.place(ROUND_ID, orders(1))
    assert caught.value.reason == "OUTCOME_UNKNOWN"


async def test_a_refusal_of_the_whole_call_is_told_at_once() -> None:
    till, patience = Till(forever=be_malformed), Patience()
    async with tickets_at(till, patience) as tickets:
        with pytest.raises(CallRefused) as caught:
            await tickets.place(ROUND_ID, orders(1))
    assert caught.value.reason == "MALFORMED"
    assert len(till.seen) == 1
    assert patience.slept_s == []


async def test_an_overloaded_service_is_asked_again_when_it_wants_to_be() -> None:
    till, patience = Till(steps=[be_overloaded, be_overloaded]), Patience()
    async with tickets_at(till, patience) as tickets:
        (result,) = await tickets.place(ROUND_ID, orders(1))
    assert (result.verdict, result.replayed) == (TicketResult.ACCEPTED, False)
    assert len(patience.slept_s) == 2
    assert all(0.7 < slept_s < 0.8 for slept_s in patience.slept_s)


async def test_overload_that_outlives_the_deadline_is_told_as_such() -> None:
    till, patience = Till(forever=be_overloaded), Patience()
    async with tickets_at(till, patience) as tickets:
        with pytest.raises(CallRefused) as caught:
            await tickets.place(ROUND_ID, orders(1), deadline_s=3)
    assert (caught.value.reason, caught.value.retry_in_ms) == ("OVERLOADED", 700)
    assert patience.now_s < 3


async def test_more_than_500_orders_go_out_in_several_calls_and_are_answered_in_order() -> None:
    till = Till()
    asked = orders(1_201)
    async with tickets_at(till, Patience()) as tickets:
        results = await tickets.place(ROUND_ID, asked)
    assert [len(ids) for ids in till.seen] == [500, 500, 201]
    assert [result.request_id for result in results] == [order.request_id for order in asked]


async def test_no_orders_need_no_call() -> None:
    till = Till()
    async with tickets_at(till, Patience()) as tickets:
        assert await tickets.place(ROUND_ID, []) == []
    assert till.seen == []


async def test_an_error_tells_what_earlier_calls_were_answered() -> None:
    till = Till(steps=[go_well, be_malformed])
    asked = orders(501)
    async with tickets_at(till, Patience()) as tickets:
        with pytest.raises(CallRefused) as caught:
            await tickets.place(ROUND_ID, asked)
    assert [result.request_id for result in caught.value.answered] == [order.request_id for order in asked[:500]]


async def test_without_a_server_nothing_is_in_doubt() -> None:
    async with serving(Till().register) as server:
        await server.kill()
        async with open_channel(server.target, services=[SERVICE]) as channel:
            with pytest.raises(Unreachable):
                await Tickets(channel).place(ROUND_ID, orders(1), deadline_s=0.3)


async def test_placing_waits_for_a_server_that_is_about_to_come() -> None:
    till = Till()
    async with serving(till.register) as server:
        await server.kill()
        async with open_channel(server.target, services=[SERVICE]) as channel:
            placing = asyncio.create_task(Tickets(channel).place(ROUND_ID, orders(1)))
            await asyncio.sleep(0.2)
            await server.start()
            (result,) = await placing
    assert (result.verdict, result.replayed) == (TicketResult.ACCEPTED, False)


async def test_a_caller_that_stops_waiting_stops_the_call_at_the_server() -> None:
    ended = asyncio.Event()

    async def hang(till: Till, request: wire.PlaceTicketsRequest, context: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    till = Till(forever=hang)
    async with tickets_at(till, Patience()) as tickets:
        placing = asyncio.create_task(tickets.place(ROUND_ID, orders(1)))
        await until(lambda: len(till.seen) == 1)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        await asyncio.wait_for(ended.wait(), 5)


async def test_many_callers_through_a_flaky_server_get_each_ticket_stored_once() -> None:
    troubles = itertools.cycle([go_well, store_and_lose_the_answer, lose, be_overloaded])
    till = Till(steps=[next(troubles) for _ in range(200)])
    asked = orders(40)
    async with tickets_at(till, Patience()) as tickets:
        answers = await asyncio.gather(*(tickets.place(ROUND_ID, [order], deadline_s=600) for order in asked))
    assert [result.verdict for (result,) in answers] == [TicketResult.ACCEPTED] * len(asked)
    assert sorted(till.stored) == sorted(order.request_id for order in asked)
