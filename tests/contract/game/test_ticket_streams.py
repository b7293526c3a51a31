"""StreamTickets at the game: each message is judged as PlaceTickets would, and its faults harm no other."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from furlong.client.identity import uuid7
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Line, TicketOrder, TicketResult
from furlong.game.v1 import ticket_service_pb2 as pb

from services.chassis.clock import SystemClock
from services.game.service.validators import VALIDATORS
from tests.gaming import Playing
from tests.served import Served, config, serving
from tests.tokens import SigningKey, bearer

KEY = SigningKey.make()
MINE, THEIRS = uuid7(), uuid7()
PLAYER = bearer(KEY.token(roles=["PLAYER"], accounts=[MINE]))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A game that leads its track, and knows who is who."""
    parts = Playing(SystemClock())
    await parts.add_track()
    parts.tracks.start()
    settings = config(KEY.write_jwks(tmp_path / "jwks.json"))
    try:
        async with serving(*parts.hosted(), validators=VALIDATORS, on_drain=parts.go_away, settings=settings) as served:
            yield served
    finally:
        await parts.close()


def order(account_id: str = MINE, *, runner: int = 1, request_id: str | None = None) -> TicketOrder:
    line = Line(market=Line.WIN, runners=[runner], stake_minor=10)
    return TicketOrder(request_id=request_id or uuid7(), account_id=account_id, lines=[line])


def message(*orders: TicketOrder, round_id: int = 1) -> pb.StreamTicketsRequest:
    return pb.StreamTicketsRequest(round_id=round_id, tickets=orders)


async def say(served: Served, *messages: pb.StreamTicketsRequest) -> Sequence[pb.StreamTicketsResponse]:
    return [answer async for answer in served.tickets.StreamTickets(iter(messages), metadata=PLAYER)]


def told(answers: Sequence[pb.StreamTicketsResponse]) -> list[str]:
    """What each answer says: the verdicts of its tickets, or the reason of the refusal."""
    return [
        Reason.Name(each.refused.reason)
        if each.HasField("refused")
        else " ".join(TicketResult.Verdict.Name(result.verdict) for result in each.results)
        for each in answers
    ]


async def test_each_message_gets_the_verdicts_of_its_own_tickets(served: Served) -> None:
    asked = [order(), order(runner=40), order()]
    answers = await say(served, message(asked[0], asked[1]), message(asked[2]), message(order(), round_id=99))
    assert told(answers) == ["ACCEPTED INVALID_SELECTION", "ACCEPTED", "ROUND_NOT_FOUND"]
    results = [result for answer in answers[:2] for result in answer.results]
    assert [result.request_id for result in results] == [each.request_id for each in asked]
    assert results[0].ticket.account_id == MINE


async def test_a_message_that_names_anothers_account_is_refused_whole_and_the_stream_lives_on(served: Served) -> None:
    answers = await say(served, message(order()), message(order(), order(THEIRS)), message(order()))
    assert told(answers) == ["ACCEPTED", "ACCOUNT_NOT_YOURS", "ACCEPTED"]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (message(), "tickets"),
        (message(order(), round_id=0), "round_id"),
        (message(order(request_id="1")), "tickets[0].request_id"),
        (message(order("nobody")), "tickets[0].account_id"),
        (message(*[order()] * 501), "tickets"),
    ],
    ids=["no tickets", "no round", "no id", "no account", "too many"],
)
async def test_a_message_that_breaks_the_contract_is_told_what_is_wrong(
    served: Served, bad: pb.StreamTicketsRequest, field: str
) -> None:
    answers = await say(served, bad, message(order()))
    assert told(answers) == ["MALFORMED", "ACCEPTED"]
    assert answers[0].refused.message.startswith(f"{field}: ")


async def test_a_repeat_on_the_stream_gets_the_answer_of_the_call_before_it(served: Served) -> None:
    asked = order()
    request = pb.PlaceTicketsRequest(round_id=1, tickets=[asked])
    (first,) = (await served.tickets.PlaceTickets(request, metadata=PLAYER)).results
    (again,) = (await say(served, message(asked)))[0].results
    assert (first.replayed, again.replayed) == (False, True)
    assert again.ticket == first.ticket
