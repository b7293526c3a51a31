"""A dialogue answers every message in order, reads no more than it may, and loses nothing that it has read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from furlong.client.policy import MethodPolicy
from furlong.common.v1.error_pb2 import Reason, Refused
from furlong.common.v1.policy_pb2 import Admission
from furlong.common.v1.ticket_pb2 import TicketResult
from furlong.game.v1.ticket_service_pb2 import StreamTicketsRequest, StreamTicketsResponse
from google.protobuf.message import DecodeError
from structlog.testing import capture_logs

from services.chassis.call import Call, Dialogue, Method
from services.chassis.dialogues import Dialogues
from services.chassis.line_budget import LineBudget
from services.chassis.refusal import Refusal
from services.chassis.stages.recovery import Recovery
from tests.clocks import ManualClock

STREAM = Method(
    name="s/Stream",
    policy=MethodPolicy(
        method="/s/Stream", deadline_ms=0, retryable=True, unary=False, roles=frozenset(), admission=Admission.STREAM
    ),
    request_class=StreamTicketsRequest,
    request_streams=True,
    dialogue=Dialogue(like="Place", refused=lambda refused: StreamTicketsResponse(refused=refused)),
)
PLACE = Method(
    name="s/Place",
    policy=MethodPolicy(
        method="/s/Place", deadline_ms=2_000, retryable=True, unary=True, roles=frozenset(), admission=Admission.WRITE
    ),
    request_class=StreamTicketsRequest,
    request_streams=False,
)


class Client:
    """Sends what the test puts in, one message after the other, and keeps what it is answered while it reads."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[int | Exception | None] = asyncio.Queue()
        self.taken = 0
        self.answers: list[StreamTicketsResponse] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.greeted = False

    def send(self, *rounds: int | Exception | None) -> None:
        for each in rounds:
            self.sent.put_nowait(each)

    async def requests(self) -> AsyncIterator[StreamTicketsRequest]:
        while (each := await self.sent.get()) is not None:
            if isinstance(each, Exception):
                raise each
            self.taken += 1
            yield StreamTicketsRequest(round_id=each)

    async def send_initial_metadata(self, _: Any) -> None:
        self.greeted = True

    async def write(self, response: StreamTicketsResponse) -> None:
        await self.reads.wait()
        self.answers.append(response)

    @property
    def told(self) -> Sequence[str]:
        """What each answer says: its ticket's id, or the reason of the refusal."""
        return [
            Reason.Name(each.refused.reason) if each.HasField("refused") else each.results[0].request_id
            for each in self.answers
        ]


class Desk:
    """Answers a message with its number when it is released, unless the number has something against it."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gone: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.troubles: dict[int, Exception] = {}

    def hold(self, *rounds: int) -> None:
        self.gates.update({each: asyncio.Event() for each in rounds})

    async def answer(self, request: StreamTicketsRequest, _: Any) -> StreamTicketsResponse:
        number = request.round_id
        self.begun.append(number)
        try:
            if number in self.gates:
                await self.gates[number].wait()
        except asyncio.CancelledError:
            self.gone.append(number)
            raise
        if number in self.troubles:
            raise self.troubles[number]
        return StreamTicketsResponse(results=[TicketResult(request_id=str(number))])


def dialogues(*, messages_max: int = 4) -> Dialogues:
    recovery = Recovery(LineBudget(ManualClock()))
    return Dialogues(recovery=recovery, stages=(), messages_max=messages_max)


def converse(held: Dialogues, desk: Desk, client: Client) -> "asyncio.Task[None]":
    handler = held.handler(STREAM, PLACE, desk.answer)
    return asyncio.ensure_future(handler(client.requests(), Call(client, {})))  # type: ignore[arg-type]


async def settle(true: Callable[[], bool] = lambda: False) -> None:
    """Let everything that can go on go on."""
    for _ in range(50):
        if true():
            return
        await asyncio.sleep(0)


async def test_answers_come_in_the_order_of_the_messages_whichever_is_ready_first() -> None:
    desk, client = Desk(), Client()
    desk.hold(1)
    client.send(1, 2, 3, None)
    talking = converse(dialogues(), desk, client)
    await settle()
    assert desk.begun == [1, 2, 3]
    assert client.told == []
    desk.gates[1].set()
    await talking
    assert client.told == ["1", "2", "3"]
    assert client.greeted


async def test_no_more_is_read_than_may_be_in_progress() -> None:
    desk, client = Desk(), Client()
    desk.hold(1)
    client.send(*range(1, 9), None)
    talking = converse(dialogues(messages_max=3), desk, client)
    await settle()
    assert client.taken == 3
    desk.gates[1].set()
    await talking
    assert client.told == [str(number) for number in range(1, 9)]


async def test_no_more_is_read_while_the_client_does_not_read_its_answers() -> None:
    desk, client = Desk(), Client()
    client.reads.clear()
    client.send(*range(1, 9), None)
    talking = converse(dialogues(messages_max=3), desk, client)
    await settle()
    assert client.taken == 3
    client.reads.set()
    await talking
    assert len(client.answers) == 8


async def test_a_refused_message_is_answered_so_and_the_dialogue_goes_on() -> None:
    desk, client = Desk(), Client()
    desk.troubles[2] = Refusal(Reason.OVERLOADED, "too much", retry_in_ms=70)
    client.send(1, 2, 3, None)
    await converse(dialogues(), desk, client)
    assert client.told == ["1", "OVERLOADED", "3"]
    assert client.answers[1].refused == Refused(reason=Reason.OVERLOADED, message="too much", retry_in_ms=70)


async def test_a_defect_is_the_answer_of_its_message_alone_and_is_logged() -> None:
    desk, client = Desk(), Client()
    desk.troubles[2] = ZeroDivisionError("secret")
    client.send(1, 2, 3, None)
    with capture_logs() as lines:
        await converse(dialogues(), desk, client)
    assert client.told == ["1", "INTERNAL_DEFECT", "3"]
    assert "secret" not in client.answers[1].refused.message
    assert [(line["event"], line["rpc_method"]) for line in lines] == [("defect", "s/Stream.message")]


async def test_when_the_client_goes_away_what_is_in_progress_is_dropped() -> None:
    desk, client = Desk(), Client()
    desk.hold(1, 2)
    client.send(1, 2)
    talking = converse(dialogues(), desk, client)
    await settle()
    talking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await talking
    assert sorted(desk.gone) == [1, 2]


async def test_a_server_that_drains_answers_what_was_read_and_reads_no_more() -> None:
    desk, client, held = Desk(), Client(), dialogues()
    desk.hold(1, 2)
    client.send(1, 2)
    talking = converse(held, desk, client)
    await settle()
    held.close()
    client.send(3)
    await settle()
    assert not talking.done()
    desk.gates[1].set()
    desk.gates[2].set()
    with pytest.raises(Refusal) as refusal:
        await talking
    assert refusal.value.reason == Reason.DRAINING
    assert refusal.value.retry_in_ms
    assert client.told == ["1", "2"]
    assert desk.begun == [1, 2]


@pytest.mark.parametrize("steps", range(6))
async def test_a_dialogue_that_begins_while_the_server_drains_ends_too(steps: int) -> None:
    client, held = Client(), dialogues()
    talking = converse(held, Desk(), client)
    for _ in range(steps):
        await asyncio.sleep(0)
    held.close()
    with pytest.raises(Refusal, match="going away"):
        await talking


async def test_a_client_that_has_said_its_last_gets_every_answer_and_a_good_end_from_a_server_that_drains() -> None:
    desk, client, held = Desk(), Client(), dialogues()
    desk.hold(1)
    client.send(1, 2, None)
    talking = converse(held, desk, client)
    await settle()
    held.close()
    desk.gates[1].set()
    await talking
    assert client.told == ["1", "2"]


async def test_a_client_that_says_nothing_is_sent_away_by_a_server_that_drains() -> None:
    client, held = Client(), dialogues()
    talking = converse(held, Desk(), client)
    await settle()
    held.close()
    with pytest.raises(Refusal, match="going away"):
        await talking


async def test_bytes_that_are_no_message_end_the_dialogue_after_the_answers_before() -> None:
    client = Client()
    client.send(1, DecodeError("what is this"))
    with pytest.raises(Refusal) as refusal:
        await converse(dialogues(), Desk(), client)
    assert refusal.value.reason == Reason.MALFORMED
    assert client.told == ["1"]


async def test_a_thousand_messages_are_answered_one_by_one() -> None:
    client = Client()
    client.send(*range(1, 1_001), None)
    await converse(dialogues(messages_max=16), Desk(), client)
    assert client.told == [str(number) for number in range(1, 1_001)]
