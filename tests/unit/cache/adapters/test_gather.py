import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.cache.adapters.redis.errands import Errands
from services.cache.adapters.redis.gather import Gatherer
from services.cache.ports import StoreDown


class Server:
    """Answers every question with its double, when the test says so."""

    def __init__(self) -> None:
        self.commands: list[list[int]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.error: Exception | None = None

    async def carry(self, questions: Sequence[int], callers: Sequence[Any]) -> Sequence[int | StoreDown]:
        self.commands.append(list(questions))
        await self.answering.wait()
        if self.error is not None:
            raise self.error
        return [StoreDown("this one") if question < 0 else 2 * question for question in questions]


def gatherer(server: Server, *, size_max: int = 100, commands_max: int = 1) -> Gatherer[int, int]:
    return Gatherer(server.carry, errands=Errands(), size_of=lambda _: 1, size_max=size_max, commands_max=commands_max)


async def test_what_is_asked_in_one_turn_goes_together_and_everybody_gets_their_own_answer() -> None:
    server = Server()
    gathering = gatherer(server)
    asked = [gathering.ask(n) for n in range(10)]
    assert await asyncio.gather(*asked) == [2 * n for n in range(10)]
    assert server.commands == [list(range(10))]


async def test_what_is_asked_while_a_command_is_under_way_goes_into_the_next_one() -> None:
    server = Server()
    server.answering.clear()
    gathering = gatherer(server)
    first = gathering.ask(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [gathering.ask(2)]
    await asyncio.sleep(0)
    rest.append(gathering.ask(3))
    server.answering.set()
    assert [await first, *await asyncio.gather(*rest)] == [2, 4, 6]
    assert server.commands == [[1], [2, 3]]


async def test_a_command_carries_no_more_than_its_size() -> None:
    server = Server()
    gathering = gatherer(server, size_max=4)
    await asyncio.gather(*(gathering.ask(n) for n in range(10)))
    assert server.commands == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_only_so_many_commands_are_under_way_at_once() -> None:
    server = Server()
    server.answering.clear()
    gathering = gatherer(server, size_max=1, commands_max=3)
    asked = [gathering.ask(n) for n in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(server.commands) == 3
    server.answering.set()
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8]


async def test_a_caller_who_gave_up_takes_nothing_from_the_others() -> None:
    server = Server()
    gathering = gatherer(server)
    asked = [gathering.ask(n) for n in range(3)]
    asked[1].cancel()
    assert [await asked[0], await asked[2]] == [0, 4]
    assert server.commands == [[0, 2]]


async def test_one_question_that_fails_fails_alone() -> None:
    gathering = gatherer(Server())
    good, bad = gathering.ask(1), gathering.ask(-1)
    with pytest.raises(StoreDown, match="this one"):
        await bad
    assert await good == 2


async def test_a_server_that_is_down_fails_all_who_wait_at_once_and_serves_who_comes_later() -> None:
    server = Server()
    server.error = StoreDown("gone")
    gathering = gatherer(server, size_max=2)
    answers = await asyncio.gather(*(gathering.ask(n) for n in range(10)), return_exceptions=True)
    assert all(isinstance(answer, StoreDown) for answer in answers)
    assert len(server.commands) == 1
    server.error = None
    assert await gathering.ask(1) == 2


async def test_a_defect_leaves_nobody_waiting() -> None:
    server = Server()
    server.error = ZeroDivisionError()
    gathering = gatherer(server)
    with pytest.raises(StoreDown, match="ZeroDivisionError"):
        await gathering.ask(1)


async def test_an_errand_that_takes_too_long_is_the_stores_fault() -> None:
    errands = Errands()
    ended = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(StoreDown, match="no answer within 1 ms"):
        await errands.run(forever(), 0.001)
    await ended.wait()
    await errands.close()


async def test_an_errand_outlives_its_caller() -> None:
    errands, going_on, done = Errands(), asyncio.Event(), asyncio.Event()

    async def carry() -> None:
        await going_on.wait()
        done.set()

    caller = asyncio.ensure_future(errands.run(carry(), 5.0))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    going_on.set()
    await done.wait()
