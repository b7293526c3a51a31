import asyncio
from typing import Any

import hiredis
import pytest

from services.cache.adapters.redis.wire import Wire
from services.cache.ports import StoreDown

LONG_S = 60.0


class Pipe(asyncio.Transport):
    """Keeps what is sent, and tells when it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
async def pipe() -> Pipe:
    return Pipe()


@pytest.fixture
async def wire(pipe: Pipe) -> Wire:
    under_test = Wire()
    under_test.connection_made(pipe)
    return under_test


async def test_answers_go_to_those_who_asked_in_their_order(wire: Wire, pipe: Pipe) -> None:
    first = wire.ask([("GET", "a"), ("GET", b"\x00", 1)], LONG_S)
    second = wire.ask([("PING",)], LONG_S)
    assert pipe.sent == [
        b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nGET\r\n$1\r\n\x00\r\n$1\r\n1\r\n",
        b"*1\r\n$4\r\nPING\r\n",
    ]
    wire.data_received(b"$1\r\nA\r\n*2\r\n:1\r\n$-")
    assert not first.done()
    wire.data_received(b"1\r\n+PONG\r\n")
    assert (await first, await second) == ([b"A", [1, None]], [b"PONG"])


async def test_who_gives_up_keeps_its_place_so_that_nobody_gets_the_answer_of_another(wire: Wire, pipe: Pipe) -> None:
    asked = [wire.ask([("GET", f"{n}")], LONG_S) for n in range(3)]
    asked[1].cancel()
    wire.data_received(b"$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n")
    assert (await asked[0], await asked[2]) == ([b"0"], [b"2"])
    assert not wire.is_lost


async def test_a_refusal_is_an_answer(wire: Wire) -> None:
    asked = wire.ask([("GET", "a"), ("GET", "b")], LONG_S)
    wire.data_received(b"-READONLY no\r\n$1\r\nB\r\n")
    refusal, answer = await asked
    assert isinstance(refusal, hiredis.ReplyError)
    assert (str(refusal), answer) == ("READONLY no", b"B")


@pytest.mark.parametrize(
    ("lose", "cause"),
    [
        (lambda wire: wire.connection_lost(None), "the server ended it"),
        (lambda wire: wire.connection_lost(ConnectionResetError("reset")), "reset"),
        (lambda wire: wire.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not Redis"),
        (lambda wire: wire.cut("another was lost"), "another was lost"),
    ],
    ids=["ended", "reset", "stranger", "cut"],
)
async def test_a_lost_connection_is_told_once_and_leaves_nobody_waiting(
    wire: Wire, pipe: Pipe, lose: Any, cause: str
) -> None:
    told: list[str] = []
    wire.on_lost = told.append
    asked = [wire.ask([("PING",)], LONG_S) for _ in range(2)]
    lose(wire)
    wire.connection_lost(None)
    for each in asked:
        with pytest.raises(StoreDown, match=cause):
            await each
    with pytest.raises(StoreDown, match="lost"):
        await wire.ask([("PING",)], LONG_S)
    assert len(told) == 1
    assert wire.is_lost
    assert pipe.aborted
    await wire.gone()


async def test_a_server_that_does_not_answer_in_time_is_cut_off(wire: Wire, pipe: Pipe) -> None:
    asked = wire.ask([("PING",)], 0.0)
    with pytest.raises(StoreDown, match="no answer within 0 ms"):
        await asked
    assert pipe.aborted


async def test_an_answer_that_arrived_while_the_loop_was_busy_is_in_time(wire: Wire, pipe: Pipe) -> None:
    asked = wire.ask([("PING",)], 0.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the time is up, and the loop comes to its sockets only now
    wire.data_received(b"+PONG\r\n")
    assert await asked == [b"PONG"]
    assert not pipe.aborted
