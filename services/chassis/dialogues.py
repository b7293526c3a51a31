"""Dialogues: streams on which each message is answered by one message, in order, as a unary call would answer it.

    read ──▶ message ──▶ its own way through the stages ──▶ answer ──▶ written, in the order of the messages
      ▲                  a refusal or a defect becomes                    │
      └── at most `messages_max` are read and not yet answered ◀──────────┘

1. A message is a call of its own: deadline, trace, log line, token, admission and validation are its own, and what goes
   wrong with it is its answer. The stream goes on.
2. Nothing more is read while `messages_max` messages are in progress or their answers wait for the client to read
   them: gRPC's flow control then holds the client back, and what a stream costs is bounded.
3. A server that drains reads no more, answers what it has read, and ends the stream with DRAINING: whatever has no
   answer then was not done.
4. When the client goes away, messages in progress are cancelled like unary calls whose caller has gone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Never

from furlong.client.policy import MESSAGES_MAX_HEADER, MethodPolicy
from furlong.common.v1.error_pb2 import Reason, Refused
from google.protobuf.message import DecodeError, Message

from services.chassis.call import Call, CallContext, Dialogue, Handler, Method, Stage
from services.chassis.refusal import Refusal
from services.chassis.stages.admission import DRAINING_RETRY_IN_MS
from services.chassis.stages.recovery import Recovery


class Dialogues:
    """Holds the dialogues of one server. `stages` are those that each message passes, the first of them outermost."""

    def __init__(self, *, recovery: Recovery, stages: Sequence[Stage], messages_max: int) -> None:
        self._recovery = recovery
        self._stages = stages
        self._messages_max = messages_max
        self._open: set[_Conversation] = set()
        self._closed = False

    def handler(self, stream: Method, like: Method, answer: Callable[..., Any]) -> Handler:
        """Make the handler of `stream`, whose messages are called `like` another method; `answer` is the servicer's."""
        assert stream.dialogue is not None, f"{stream.name} is no dialogue"
        way = self._way(_message_of(stream, like.policy), stream.dialogue, answer)

        async def converse(requests: AsyncIterator[Any], call: Call) -> None:
            # The stream's trace is not the messages': a stream that is recorded would be one trace without an end.
            headers = {name: value for name, value in call.headers.items() if name == "authorization"}
            message_call = Call(_MessageContext(), headers)
            conversation = _Conversation(
                requests, call.context, lambda request: way(request, message_call), self._messages_max
            )
            self._open.add(conversation)
            if self._closed:
                conversation.stop_reading()
            try:
                await conversation.run()
            finally:
                self._open.discard(conversation)

        return converse

    def close(self) -> None:
        """Have every dialogue read no more, and end when what it has read is answered."""
        self._closed = True
        for conversation in self._open:
            conversation.stop_reading()

    def _way(self, message: Method, dialogue: Dialogue, answer: Callable[..., Any]) -> Handler:
        async def innermost(request: Any, call: Call) -> Any:
            return await answer(request, call.context)

        way: Handler = innermost
        for stage in reversed(self._stages):
            way = stage.around(message, way)

        async def always_answered(request: Any, call: Call) -> Any:
            try:
                return await way(request, call)
            except Refusal as refusal:
                return dialogue.refused(_on_the_wire(refusal))
            except Exception as defect:
                return dialogue.refused(_on_the_wire(self._recovery.confess(message, defect)))

        return always_answered


class _Conversation:
    """One dialogue in progress: a task that reads and starts the answers, and this one, which writes them."""

    def __init__(
        self,
        requests: AsyncIterator[Any],
        context: CallContext,
        answer: Callable[[Any], Any],
        messages_max: int,
    ) -> None:
        self._requests = requests
        self._context = context
        self._answer = answer
        self._messages_max = messages_max
        self._room = asyncio.Semaphore(messages_max)
        self._answers: asyncio.Queue[asyncio.Task[Message] | None] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self._stopped = False

    async def run(self) -> None:
        """Converse until the client has said its last and has every answer."""
        # Said at once: clients write when they are accepted, and a gateway takes a call without any answer for one that
        # hangs.
        await self._context.send_initial_metadata(((MESSAGES_MAX_HEADER, str(self._messages_max)),))
        self._reading = asyncio.create_task(self._read(), name="dialogue")
        self._reading.add_done_callback(lambda _: self._answers.put_nowait(None))
        if self._stopped:
            self._reading.cancel()
        answer: asyncio.Task[Message] | None = None
        try:
            while (answer := await self._answers.get()) is not None:
                await self._context.write(await answer)
                self._room.release()
            await self._end()
        finally:
            await self._drop(answer)

    def stop_reading(self) -> None:
        """Read no more."""
        self._stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        try:
            while True:
                await self._room.acquire()
                request = await anext(self._requests)
                self._answers.put_nowait(asyncio.create_task(self._answer(request), name="message"))
        except StopAsyncIteration:
            return
        except DecodeError as error:
            raise Refusal(Reason.MALFORMED, "a message of the stream is not one of its type") from error

    async def _end(self) -> None:
        assert self._reading is not None, "whoever ends has begun"
        if self._reading.cancelled():
            raise Refusal(
                Reason.DRAINING,
                "this server is going away; what it has not answered was not done",
                retry_in_ms=DRAINING_RETRY_IN_MS,
            )
        await self._reading

    async def _drop(self, answer: asyncio.Task[Message] | None) -> None:
        """End all that is still in progress: nobody waits for it."""
        left: list[asyncio.Task[Any]] = [task for task in (self._reading, answer) if task is not None]
        while not self._answers.empty():
            waiting = self._answers.get_nowait()
            if waiting is not None:
                left.append(waiting)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


_RETURNED: Final = "a message is answered by what its handler returns or raises"


class _MessageContext:
    """What a message has in place of a call's context: no deadline, and no way to answer but its handler's end."""

    def time_remaining(self) -> float | None:
        return None

    def code(self) -> Never:
        raise AssertionError(_RETURNED)

    def auth_context(self) -> Never:
        raise AssertionError("who is at the other end was asked when the stream was opened")

    async def send_initial_metadata(self, _: object) -> None:
        raise AssertionError(_RETURNED)

    async def write(self, _: object) -> None:
        raise AssertionError(_RETURNED)

    async def abort_with_status(self, _: object) -> Never:
        raise AssertionError(_RETURNED)


def _message_of(stream: Method, policy: MethodPolicy) -> Method:
    """Make the method that a message is a call of, as telemetry and the log know it."""
    return Method(
        name=f"{stream.name}.message", policy=policy, request_class=stream.request_class, request_streams=False
    )


def _on_the_wire(refusal: Refusal) -> Refused:
    return Refused(reason=refusal.reason, message=refusal.message, retry_in_ms=refusal.retry_in_ms or 0)
