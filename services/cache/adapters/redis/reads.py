"""Reads, gathered: all that is asked for in one turn of the event loop goes to Redis in one command.

A round trip costs the same for one key as for a hundred, and Python's part of it far more than Redis's own.
"""

import asyncio
from collections.abc import Sequence

from opentelemetry import trace
from redis.asyncio import Redis

from services.cache.adapters.redis.client import CALL_S, command, redis_span, within
from services.cache.adapters.redis.errands import Errands
from services.cache.domain.bounds import READ_KEYS_MAX
from services.cache.ports import StoreDown

Values = Sequence[bytes | None]


class _Waiter:
    """Somebody who asked, and whether it is being traced."""

    __slots__ = ("answer", "keys", "span")

    def __init__(self, keys: Sequence[str], answer: asyncio.Future[Values]) -> None:
        span = trace.get_current_span()
        self.keys = keys
        self.answer = answer
        self.span = span.get_span_context() if span.is_recording() else None


class Reads:
    """Gathers what is asked for, READ_KEYS_MAX keys a command. A waiter that was cancelled is passed over."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[_Waiter] = []
        self._errands = Errands()

    def get(self, keys: Sequence[str]) -> asyncio.Future[Values]:
        """Read at most READ_KEYS_MAX keys. The future raises StoreDown."""
        assert 0 < len(keys) <= READ_KEYS_MAX, "a caller asks for no more than one command carries"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Values] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._send)
        self._waiting.append(_Waiter(keys, answer))
        return answer

    async def close(self) -> None:
        """Wait for the commands that are under way."""
        await self._errands.close()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        batch: list[_Waiter] = []
        size = 0
        for waiter in waiting:
            if size + len(waiter.keys) > READ_KEYS_MAX:
                self._errands.start(self._carry(batch))
                batch, size = [], 0
            batch.append(waiter)
            size += len(waiter.keys)
        self._errands.start(self._carry(batch))

    async def _carry(self, batch: Sequence[_Waiter]) -> None:
        keys = [key for waiter in batch for key in waiter.keys]
        callers = [waiter.span for waiter in batch if waiter.span is not None]
        try:
            values = await self._mget(keys, callers)
        except StoreDown as down:
            for waiter in batch:
                if not waiter.answer.done():
                    waiter.answer.set_exception(StoreDown(*down.args))
            return
        start = 0
        for waiter in batch:
            end = start + len(waiter.keys)
            if not waiter.answer.done():
                waiter.answer.set_result(values[start:end])
            start = end

    async def _mget(self, keys: Sequence[str], callers: Sequence[trace.SpanContext]) -> Values:
        if not callers:  # an untraced read pays for no span, and must not find one that another turn left behind
            async with within(CALL_S):
                return await self._ask(keys)
        with redis_span("MGET", callers, len(keys)):
            async with within(CALL_S):
                return await self._ask(keys)

    async def _ask(self, keys: Sequence[str]) -> Values:
        values: Values = await command(self._redis, "MGET", *keys)
        assert len(values) == len(keys), "Redis answers every key"
        return values
