"""Batches of tickets over a stream: each goes out as one message, and each message has one answer, in order.

batch ──▶ resolve ──▶ TicketStreams.place ──▶ the stream that is open ──▶ answer ──▶ yielded, in order
             ▲                                     │ breaks
             └── sent again, the same ids ◀────────┘ what had no answer is in doubt
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from furlong.client.channel import REQUEST_BYTES_MAX
from furlong.client.errors import CallRefused, FurlongError, OutcomeUnknown, Unreachable, from_refused, from_rpc
from furlong.client.policy import MESSAGES_MAX_HEADER
from furlong.common.v1.ticket_pb2 import TicketOrder, TicketResult
from furlong.game.v1 import ticket_service_pb2 as wire

if TYPE_CHECKING:
    from furlong.game.v1.ticket_service_pb2_grpc import TicketServiceAsyncStub

UNANSWERED_MAX = 16
"""Batches under way at once, as many as a server takes from one stream unless it is told otherwise."""

ANSWER_S = 5.0
"""A stream that owes answers and has given none for this long, in seconds, is given up: a server that works answers
each message within 2 s of reading it."""

CLOSE_S = 1.0
"""How long a stream on which all was said may take to end, in seconds."""

Batch = Sequence[TicketOrder]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnswer:
    """What became of one batch: the results of its orders, or the error that `place()` would have raised for it."""

    orders: Batch
    placed: Sequence[TicketResult]
    error: FurlongError | None

    @property
    def results(self) -> Sequence[TicketResult]:
        """The results, one for each order and in their order. Raises `error`, where there is one."""
        if self.error is not None:
            raise self.error
        return self.placed


async def answers(
    batches: AsyncIterable[Batch] | Iterable[Batch],
    answer: Callable[[Batch], Awaitable[BatchAnswer]],
    unanswered_max: int,
) -> AsyncGenerator[BatchAnswer, None]:
    """Answer batches, at most `unanswered_max` at once, and give the answers in their order.

    Takes the next batch when there is room for it. What `batches` raises is raised when those before are answered.
    Raises ValueError where there would never be room.
    """
    if unanswered_max < 1:
        raise ValueError(f"{unanswered_max} batches under way are none")
    room = asyncio.Semaphore(unanswered_max)
    waiting: asyncio.Queue[asyncio.Future[BatchAnswer] | None] = asyncio.Queue()

    async def take() -> None:
        source = _each(batches)
        try:
            while True:
                await room.acquire()
                waiting.put_nowait(asyncio.ensure_future(answer(await anext(source))))
        except StopAsyncIteration:
            return
        finally:
            waiting.put_nowait(None)

    taking = asyncio.create_task(take())
    left: list[asyncio.Future[BatchAnswer] | asyncio.Future[None]] = [taking]
    try:
        while (task := await waiting.get()) is not None:
            left.append(task)
            yield await task
            left.remove(task)
            room.release()
        await taking
    finally:
        while not waiting.empty():
            if (task := waiting.get_nowait()) is not None:
                left.append(task)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _each(batches: AsyncIterable[Batch] | Iterable[Batch]) -> AsyncIterator[Batch]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch


class TicketStreams:
    """One stream after another: a message goes out on the one that is open, or on a new one."""

    def __init__(self, stub: "TicketServiceAsyncStub") -> None:
        self._stub = stub
        self._stream: _Stream | None = None

    async def place(self, request: wire.StreamTicketsRequest, left_s: float) -> Sequence[TicketResult]:
        """Send a message and wait for its answer, `left_s` seconds at most. Raises a FurlongError."""
        request_ids = [order.request_id for order in request.tickets]
        if request.ByteSize() > REQUEST_BYTES_MAX:  # sent, it would end the stream, and leave the others in doubt
            raise CallRefused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                message=f"a batch of {request.ByteSize()} bytes is longer than {REQUEST_BYTES_MAX}",
                request_ids=request_ids,
            )
        if self._stream is None or self._stream.over:
            self._stream = _Stream(self._stub)
        message = _Message(request, request_ids)
        self._stream.put(message)
        try:
            async with asyncio.timeout(left_s):
                response = await message.answer
        except TimeoutError as late:
            raise _lost(message, grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time") from late
        if response.HasField("refused"):
            raise from_refused(response.refused, request_ids)
        return response.results

    async def close(self) -> None:
        """End the stream that is open."""
        if self._stream is not None:
            await self._stream.close()


class _Message:
    """A message on its way. `sent` says that the server may have it."""

    __slots__ = ("answer", "request", "request_ids", "sent")

    def __init__(self, request: wire.StreamTicketsRequest, request_ids: Sequence[str]) -> None:
        self.request = request
        self.request_ids = request_ids
        self.answer: asyncio.Future[wire.StreamTicketsResponse] = asyncio.get_running_loop().create_future()
        self.sent = False


class _Stream:
    """One call: messages go out in the order of `put`, and answers come back in that order."""

    def __init__(self, stub: "TicketServiceAsyncStub") -> None:
        self._unanswered: deque[_Message] = deque()
        self._to_send: asyncio.Queue[_Message | None] = asyncio.Queue()
        self._accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.over = False
        self._patience: asyncio.TimerHandle | None = None
        self._call = stub.StreamTickets(self._requests())
        self._reading = asyncio.create_task(self._read(), name="ticket stream")

    def put(self, message: _Message) -> None:
        """Send a message after those before it."""
        self._unanswered.append(message)
        self._to_send.put_nowait(message)
        if self._patience is None:
            self._watch()

    async def close(self) -> None:
        """Say no more, and let the call end well if it will."""
        self._to_send.put_nowait(None)
        try:
            async with asyncio.timeout(CLOSE_S if self._accepted.done() and not self._unanswered else 0):
                await asyncio.shield(self._reading)
        except TimeoutError:
            self._call.cancel()
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _requests(self) -> AsyncIterator[wire.StreamTicketsRequest]:
        # Not before the server has accepted the stream: gRPC for Python lets a write that comes too late hide why.
        if not await self._accepted:
            return
        while (message := await self._to_send.get()) is not None and not self.over:
            if message.answer.done():  # whoever wanted it has gone, and the server need not know
                self._unanswered.remove(message)
                continue
            message.sent = True
            yield message.request

    def _watch(self) -> None:
        """Give the call up when it owes an answer for too long."""
        if self._patience is not None:
            self._patience.cancel()
        owes = bool(self._unanswered) and not self.over
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(ANSWER_S, self._call.cancel) if owes else None

    async def _read(self) -> None:
        failure: grpc.aio.AioRpcError | None = None
        try:
            metadata = await self._call.initial_metadata()
            if MESSAGES_MAX_HEADER in dict(metadata or ()):
                self._accepted.set_result(True)
            async for response in self._call:
                answer = self._unanswered.popleft().answer
                self._watch()
                if not answer.done():
                    answer.set_result(response)
        except grpc.aio.AioRpcError as error:
            failure = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Not this task was cancelled but the call, which was given up.
        finally:
            self.over = True
            self._watch()
            self._call.cancel()
            if not self._accepted.done():
                self._accepted.set_result(False)
            self._to_send.put_nowait(None)
            for message in self._unanswered:
                if not message.answer.done():
                    message.answer.set_exception(_broken(message, failure))


def _broken(message: _Message, failure: grpc.aio.AioRpcError | None) -> FurlongError:
    """Tell what the end of a stream says of a message that it did not answer.

    A status without a reason of Furlong's is nobody's word about this message: one that was sent is in doubt.
    """
    if failure is None:
        return _lost(message, grpc.StatusCode.UNAVAILABLE, "the stream ended without an answer")
    error = from_rpc(failure, message.request_ids if message.sent else ())
    if error.reason or (isinstance(error, CallRefused) and not message.sent):
        error.request_ids = tuple(message.request_ids)
        return error
    return _lost(message, error.code, error.message)


def _lost(message: _Message, code: grpc.StatusCode, words: str) -> FurlongError:
    kind = OutcomeUnknown if message.sent else Unreachable
    return kind(code, message=words, request_ids=message.request_ids)
