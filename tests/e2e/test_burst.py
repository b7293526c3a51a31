"""Five thousand placements at the same instant get five thousand answers of our own making."""

import asyncio
from collections import Counter

import grpc
import pytest
from furlong.client import connect, uuid7
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult
from furlong.game.v1.ticket_service_pb2 import PlaceTicketsRequest
from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceStub

from deploy.local.stack import LocalStack
from tests.e2e.books import Books
from tests.e2e.doors import GrpcDoor, Wrong, doors, wrong_of
from tests.e2e.people import People
from tests.e2e.private_stack import PrivateStack
from tests.e2e.racing import SLOW, new_track, open_account, open_round, order, place, win_line

BURST = 5_000
FLOOD = 1_000
"""Many times more than the second stack takes at once."""
COME_BACK_S = 30.0
ANSWER_S = 30.0
"""Longer than the servers work on any call, so that what ends a call is theirs and not this caller's own deadline."""
CONNECTIONS = 4


@pytest.mark.parametrize("target", ["game", "gateway"])
async def test_a_burst_of_five_thousand_gets_as_many_answers_of_our_own(
    stack: LocalStack, people: People, grpc_door: GrpcDoor, books: Books, steady_track: str, target: str
) -> None:
    ann = await open_account(grpc_door, people.cashier)
    opened = await open_round(grpc_door, steady_track)
    requests = requests_of(ann, int(opened["round_id"]), BURST)

    answers = await burst(getattr(stack.addresses, target), people.cashier, requests)

    counted = Counter(what_it_is(answer) for answer in answers)
    assert counted.total() == BURST
    assert counted.keys() <= {"ACCEPTED", "OVERLOADED"}, counted
    assert counted["ACCEPTED"] >= 1
    accepted = {answer.request_id for answer in answers if isinstance(answer, TicketResult)}
    burst_ids = {request.tickets[0].request_id for request in requests}
    stored = {ticket.ticket_id for ticket in await books.tickets(int(opened["round_id"]))}
    assert stored & burst_ids == accepted
    [after] = await place(grpc_door, people.cashier, opened["round_id"], order(ann, win_line(1, 1)))
    assert after["verdict"] == "ACCEPTED"


async def test_what_is_beyond_the_limits_is_shed_and_accepted_when_it_comes_back(
    own: PrivateStack, own_people: People
) -> None:
    track = await new_track(own.stack, "shed", SLOW)
    async with doors(own.gateway) as (_, grpc_door):
        ann = await open_account(grpc_door, own_people.cashier)
        round_id = int((await open_round(grpc_door, track))["round_id"])
    requests = requests_of(ann, round_id, FLOOD)

    answers = await burst(own.gateway, own_people.cashier, requests)
    async with connect(own.gateway, token=own_people.cashier) as client:
        again = await asyncio.gather(
            *[client.tickets.place(round_id, request.tickets, deadline_s=COME_BACK_S) for request in requests]
        )

    counted = Counter(what_it_is(answer) for answer in answers)
    assert counted.keys() == {"ACCEPTED", "OVERLOADED"}, counted
    assert {result.verdict for [result] in again} == {TicketResult.ACCEPTED}
    assert sum(result.replayed for [result] in again) == counted["ACCEPTED"]


def requests_of(account_id: str, round_id: int, count: int) -> list[PlaceTicketsRequest]:
    """Placements of one ticket each."""
    line = Line(market=Line.WIN, runners=[1], stake_minor=1)
    return [
        PlaceTicketsRequest(
            round_id=round_id,
            tickets=[TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line])],
        )
        for _ in range(count)
    ]


async def burst(target: str, token: str, requests: list[PlaceTicketsRequest]) -> list[TicketResult | Wrong]:
    """Send all requests at once over a few bare channels, without any retry."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    channels = [grpc.aio.insecure_channel(target, options=options) for _ in range(CONNECTIONS)]
    metadata = (("authorization", f"Bearer {token}"),)

    async def send(turn: int, request: PlaceTicketsRequest) -> TicketResult | Wrong:
        stub = TicketServiceStub(channels[turn % CONNECTIONS])
        try:
            answer = await stub.PlaceTickets(request, timeout=ANSWER_S, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return wrong_of(error)
        return answer.results[0]

    try:
        return await asyncio.gather(*[send(turn, request) for turn, request in enumerate(requests)])
    finally:
        await asyncio.gather(*[channel.close() for channel in channels])


def what_it_is(answer: TicketResult | Wrong) -> str:
    """The verdict; or the reason of a refusal that says when to come back; or all there is of anything else."""
    if isinstance(answer, TicketResult):
        return TicketResult.Verdict.Name(answer.verdict)
    is_shed = answer.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0] and (answer.retry_in_s or 0) > 0
    return answer.reason if is_shed else str(answer)
