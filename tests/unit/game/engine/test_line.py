"""A line writes what comes into its mailbox, one frame at a time, and holds nobody up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.engine.broadcast.line import LINES_A_TURN, Crier, Line
from services.game.engine.broadcast.mailbox import Mailbox


class Stream:
    """A stream that takes a frame when the test says so; `is_open` takes every frame at once."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.written: list[bytes] = []
        self.offered: list[bytes] = []
        self.room: asyncio.Future[None] | None = None
        self.given_up = False

    async def write(self, frame: bytes) -> None:
        self.offered.append(frame)
        if not self.is_open:
            self.room = asyncio.get_running_loop().create_future()
            try:
                await self.room
            except GeneratorExit:
                self.given_up = True
                raise
        self.written.append(frame)

    def take(self) -> None:
        assert self.room is not None
        self.room.set_result(None)


class Watcher:
    def __init__(self, crier: Crier, stream: Stream, *, frames_max: int = 3) -> None:
        self.line = Line(stream.write, crier)
        self.mailbox = Mailbox(first=(), after=0, frames_max=frames_max, on_mail=self.line.mail)
        self.task = asyncio.create_task(self.line.run(self.mailbox))


@asynccontextmanager
async def watching(stream: Stream, crier: Crier | None = None) -> AsyncIterator[Watcher]:
    watcher = Watcher(crier or Crier(), stream)
    await turns()
    try:
        yield watcher
    finally:
        watcher.task.cancel()
        await asyncio.gather(watcher.task, return_exceptions=True)


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_what_comes_is_written_in_order() -> None:
    stream = Stream()
    async with watching(stream) as watcher:
        watcher.mailbox.put_transition((1, b"t1"))
        watcher.mailbox.put_transition((2, b"t2"))
        watcher.mailbox.put_update((2, b"u"))
        await turns()

    assert stream.written == [b"t1", b"t2", b"u"]


async def test_a_frame_waits_until_the_stream_has_taken_the_one_before() -> None:
    stream = Stream(is_open=False)
    async with watching(stream) as watcher:
        watcher.mailbox.put_tick((0, b"k1"))
        await turns()
        watcher.mailbox.put_tick((0, b"k2"))
        watcher.mailbox.put_tick((0, b"k3"))
        await turns()
        assert stream.offered == [b"k1"]
        stream.take()
        await turns()

    assert stream.offered == [b"k1", b"k3"]  # of what came meanwhile only the latest


async def test_a_write_that_lets_others_go_first_goes_on() -> None:
    written: list[bytes] = []

    async def write(frame: bytes) -> None:
        await asyncio.sleep(0)
        written.append(frame)

    line = Line(write, Crier())
    mailbox = Mailbox(first=[(1, b"t1"), (2, b"t2")], after=0, frames_max=3, on_mail=line.mail)
    task = asyncio.create_task(line.run(mailbox))
    await turns(10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert written == [b"t1", b"t2"]


async def test_the_refusal_that_ends_a_watcher_is_raised_behind_its_last_transition() -> None:
    stream = Stream()
    async with watching(stream) as watcher:
        watcher.mailbox.put_transition((1, b"t1"))
        watcher.mailbox.end(lambda after: Refusal(Reason.DRAINING, f"after {after}"))
        with pytest.raises(Refusal, match="after 1"):
            await watcher.task

    assert stream.written == [b"t1"]


async def test_a_watcher_that_falls_behind_is_ended_though_its_stream_takes_nothing() -> None:
    stream = Stream(is_open=False)
    async with watching(stream) as watcher:
        for seq in range(1, 6):
            watcher.mailbox.put_transition((seq, b"t%d" % seq))
            await turns()
        with pytest.raises(Refusal) as ended:
            await watcher.task

    assert ended.value.reason == Reason.FELL_BEHIND
    assert stream.given_up


async def test_a_watcher_that_goes_gives_its_write_up_and_hears_no_more_of_it() -> None:
    stream = Stream(is_open=False)
    async with watching(stream) as watcher:
        watcher.mailbox.put_transition((1, b"t1"))
        await turns()
    assert stream.given_up
    watcher.mailbox.put_transition((2, b"t2"))
    await turns()

    assert stream.written == []
    assert stream.offered == [b"t1"]


async def test_a_write_that_is_given_up_has_its_future_cancelled_as_a_task_would() -> None:
    stream = Stream(is_open=False)
    async with watching(stream) as watcher:
        watcher.mailbox.put_transition((1, b"t1"))
        await turns()

    assert stream.room is not None
    assert stream.room.cancelled()


async def test_a_write_that_has_failed_when_it_is_given_up_is_heard() -> None:
    stream = Stream(is_open=False)
    async with watching(stream) as watcher:
        watcher.mailbox.put_transition((1, b"t1"))
        await turns()
        assert stream.room is not None
        watcher.task.cancel()
        stream.room.set_exception(ConnectionError("gone"))  # unheard, it would be a warning, which fails the test


async def test_what_goes_wrong_with_a_write_is_raised_and_hurts_no_other_line() -> None:
    crier = Crier()

    async def fail(_: bytes) -> None:
        raise ConnectionError("broken")

    broken_line = Line(fail, crier)
    broken = Mailbox(first=[(1, b"t1")], after=0, frames_max=3, on_mail=broken_line.mail)
    task = asyncio.create_task(broken_line.run(broken))
    stream = Stream()
    async with watching(stream, crier) as watcher:
        watcher.mailbox.put_transition((1, b"t1"))
        with pytest.raises(ConnectionError):
            await task
        await turns()

    assert stream.written == [b"t1"]


async def test_a_frame_for_a_crowd_lets_other_work_go_in_between() -> None:
    crier = Crier()
    streams = [Stream() for _ in range(3 * LINES_A_TURN)]
    watchers = [Watcher(crier, stream) for stream in streams]
    await turns(10)
    for watcher in watchers:
        watcher.mailbox.put_transition((1, b"t1"))
    after_each_turn = []
    for _ in range(4):
        await asyncio.sleep(0)
        after_each_turn.append(sum(len(stream.written) for stream in streams))
    for watcher in watchers:
        watcher.task.cancel()
    await asyncio.gather(*(watcher.task for watcher in watchers), return_exceptions=True)

    assert after_each_turn == [LINES_A_TURN, 2 * LINES_A_TURN, 3 * LINES_A_TURN, 3 * LINES_A_TURN]
