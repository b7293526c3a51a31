"""Gathering: what is asked for in one turn of the event loop, or while commands are under way, goes together.

A round trip costs the same for one key as for a hundred, and Python's part of it far more than Redis's own. Nobody
waits for a timer: the first who asks while Redis is idle is sent at the end of the turn. And because only so many
commands are ever under way, a burst waits here, where it costs nobody their time with Redis, and not in connections.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from opentelemetry import trace

from services.cache.adapters.redis.errands import Errands
from services.cache.ports import StoreDown

Q = TypeVar("Q")
A = TypeVar("A")

Carry = Callable[[Sequence[Q], Sequence[trace.SpanContext]], Awaitable[Sequence["A | StoreDown"]]]
"""Sends questions in one command and brings the answers in their order; one that failed alone is its error. The spans
are those of the callers who are traced. Raises StoreDown when nothing was answered."""


_Waiter = tuple[Q, "asyncio.Future[A]", trace.SpanContext | None]
"""Somebody who asked, the answer that is waited for, and the span where it is being traced. A bare tuple, and handled
without further calls: one is made for every read of Redis."""


class Gatherer(Generic[Q, A]):
    """Gathers questions of one kind. `size_max` bounds the sizes of the questions in a command together."""

    def __init__(
        self,
        carry: "Carry[Q, A]",
        *,
        errands: Errands,
        size_of: Callable[[Q], int],
        size_max: int,
        commands_max: int,
    ) -> None:
        self._carry = carry
        self._errands = errands
        self._size_of = size_of
        self._size_max = size_max
        self._commands_left = commands_max
        self._waiting: deque[_Waiter[Q, A]] = deque()

    def ask(self, question: Q) -> "asyncio.Future[A]":
        """Ask. The future raises StoreDown; cancelling it takes nothing from the others."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        span = trace.get_current_span()
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append((question, answer, span.get_span_context() if span.is_recording() else None))
        return answer

    def _send(self) -> None:
        while self._waiting and self._commands_left:
            batch = self._take()
            if batch:
                self._commands_left -= 1
                self._errands.start(self._bring(batch))

    def _take(self) -> "Sequence[_Waiter[Q, A]]":
        """Those who have waited longest and still do, as many as one command carries."""
        waiting, size_of, size_max = self._waiting, self._size_of, self._size_max
        batch: list[_Waiter[Q, A]] = []
        size = 0
        while waiting:
            size += size_of(waiting[0][0])
            if batch and size > size_max:
                break
            waiter = waiting.popleft()
            if not waiter[1].done():
                batch.append(waiter)
        return batch

    async def _bring(self, batch: "Sequence[_Waiter[Q, A]]") -> None:
        callers = [span for _, _, span in batch if span is not None]
        try:
            answers = await self._carry([question for question, _, _ in batch], callers)
            for (_, waited, _), answer in zip(batch, answers, strict=True):
                if waited.done():
                    continue
                if isinstance(answer, StoreDown):
                    waited.set_exception(answer)
                else:
                    waited.set_result(answer)
        except BaseException as error:
            down = error if isinstance(error, StoreDown) else StoreDown(repr(error))
            _fail(batch, down)
            _fail(self._waiting, down)  # they would only wait for the same
            self._waiting.clear()
            if down is not error:
                raise
        finally:
            self._commands_left += 1
            self._send()


def _fail(waiters: "Sequence[_Waiter[Q, A]] | deque[_Waiter[Q, A]]", down: StoreDown) -> None:
    for _, waited, _ in waiters:
        if not waited.done():
            waited.set_exception(StoreDown(*down.args))
