"""StreamTickets over a real database: a message is a call of AppendTickets, and messages share commits."""

from collections.abc import Sequence

from furlong.common.v1.error_pb2 import Reason
from furlong.persist.v1.ticket_store_service_pb2 import (
    AppendTicketsRequest,
    StreamTicketsRequest,
    StreamTicketsResponse,
    TicketAppend,
)

from tests.persisting import World, order, verdicts


def message(round_id: int, *orders: TicketAppend) -> StreamTicketsRequest:
    return StreamTicketsRequest(append=AppendTicketsRequest(round_id=round_id, tickets=orders))


async def say(world: World, *messages: StreamTicketsRequest) -> Sequence[StreamTicketsResponse]:
    return [answer async for answer in world.stubs.tickets.StreamTickets(iter(messages))]


async def test_messages_are_decided_in_order_and_answered_in_order(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    answers = await say(world, *(message(round_id, order(player, 300)) for _ in range(4)))
    assert [verdicts(answer.appended.verdicts) for answer in answers] == [
        ["ACCEPTED"],
        ["ACCEPTED"],
        ["ACCEPTED"],
        ["INSUFFICIENT_FUNDS"],
    ]
    assert answers[-1].appended.totals.tickets == 3
    assert await world.balance_minor(player) == 100


async def test_a_repeat_on_another_stream_gets_the_same_answer(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    asked = message(round_id, order(player, 600), order(player, 600))
    (first,) = await say(world, asked)
    (again,) = await say(world, asked)
    assert verdicts(first.appended.verdicts) == ["ACCEPTED", "INSUFFICIENT_FUNDS"]
    assert verdicts(again.appended.verdicts) == ["ACCEPTED*", "INSUFFICIENT_FUNDS*"]


async def test_a_message_that_breaks_the_contract_is_answered_so_and_the_others_are_decided(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    good = message(round_id, order(player, 1))
    answers = await say(world, good, StreamTicketsRequest(), message(round_id), good)
    assert [Reason.Name(answer.refused.reason) for answer in answers] == [
        "REASON_UNSPECIFIED",
        "MALFORMED",
        "MALFORMED",
        "REASON_UNSPECIFIED",
    ]
    assert answers[1].refused.message.startswith("append.round_id: ")
    assert answers[2].refused.message.startswith("append.tickets: ")
    assert verdicts(answers[3].appended.verdicts) == ["ACCEPTED*"]


async def test_hundreds_of_messages_take_far_fewer_commits(world: World) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    answers = await say(world, *(message(round_id, order(player, 1)) for _ in range(300)))
    assert all(verdicts(answer.appended.verdicts) == ["ACCEPTED"] for answer in answers)
    placed = await world.sql("SELECT count(DISTINCT xmin::text) AS commits, count(*) AS tickets FROM tickets")
    assert placed[0]["tickets"] == 300
    assert placed[0]["commits"] < 150
