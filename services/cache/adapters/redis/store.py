"""Entries and the store's own state in Redis."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from services.cache.adapters.redis import keys, scripts
from services.cache.adapters.redis.client import CALL_S, command, redis_span, within
from services.cache.adapters.redis.errands import Errands
from services.cache.adapters.redis.reads import Reads, Values
from services.cache.domain.bounds import PATTERN_MARKS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import CHANGES_TOPIC, Change, Scope, encode
from services.cache.domain.entry import Draft, Key
from services.cache.ports import Stamp, State

CHANGES_KEPT: Final = 10_000
"""Changes that a replica may be behind before it has lost some."""

_TELLS: Final = (keys.STATE, keys.head(CHANGES_TOPIC), keys.stream(CHANGES_TOPIC))
_MARKS_MAX: Final = {Scope.TAG: TAG_MARKS_MAX, Scope.PATTERN: PATTERN_MARKS_MAX}


class RedisStore:
    """What all replicas share. Answers `EntryStore` and `StoreState` of the ports."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reads = Reads(redis)
        self._errands = Errands()
        self._write = redis.register_script(scripts.WRITE)
        self._forget = redis.register_script(scripts.FORGET)
        self._renew = redis.register_script(scripts.RENEW)
        self._state = redis.register_script(scripts.STATE)

    def read(self, wanted: Sequence[Key]) -> asyncio.Future[Values]:
        """Read entries as they are stored."""
        return self._reads.get([keys.entry(key) for key in wanted])

    async def write(self, namespace: str, drafts: Sequence[Draft], known: int) -> Stamp:
        """Write entries under one stamp and tell."""
        change = Change(namespace, Scope.KEYS, tuple(draft.key for draft in drafts))
        arguments: list[Any] = [known, CHANGES_KEPT, encode(change)]
        for draft in drafts:
            arguments += (draft.stale_until_ms - draft.created_ms, draft.tail())
        return await self._stamped("set", self._write, (*_TELLS, *_entries(change)), arguments)

    async def forget(self, change: Change, known: int) -> Stamp:
        """Remove keys, or leave a mark, and tell."""
        mark = counter = ""
        entries: Sequence[str] = ()
        match change.scope:
            case Scope.KEYS:
                entries = _entries(change)
            case Scope.NAMESPACE:
                mark = keys.mark(change.namespace, Scope.NAMESPACE)
            case scope:
                mark, counter = keys.mark(change.namespace, scope, change.names[0]), keys.count(change.namespace, scope)
        arguments = [
            *(known, CHANGES_KEPT, encode(change), mark, counter, _MARKS_MAX.get(change.scope, 0)),
            keys.marks_of(change.namespace),
            keys.mark(change.namespace, Scope.NAMESPACE),
            *(keys.count(change.namespace, scope) for scope in _MARKS_MAX),
        ]
        return await self._stamped("invalidate", self._forget, (*_TELLS, *entries), arguments)

    async def renew(self, known: int) -> Stamp:
        """Begin a new incarnation and tell."""
        everything = encode(Change("", Scope.NAMESPACE))
        return await self._stamped("flush", self._renew, _TELLS, [known, CHANGES_KEPT, everything])

    async def state(self, known: int) -> State:
        """Read incarnation and marks."""
        answer = await self._errands.run(_evaluate("state", self._state, [keys.STATE], [known]))
        fields = {name.decode(): int(value) for name, value in zip(answer[::2], answer[1::2], strict=True)}
        marks = [(change, stamp) for name, stamp in fields.items() if (change := keys.read_mark(name)) is not None]
        return State(incarnation=fields[keys.INCARNATION], version=fields[keys.VERSION], marks=marks)

    async def incarnation(self) -> int:
        """Read the incarnation; 0 where it is lost."""
        async with within(CALL_S):
            answer = await command(self._redis, "HGET", keys.STATE, keys.INCARNATION)
        return int(answer or 0)

    async def close(self) -> None:
        """Wait for the calls that are under way."""
        await self._reads.close()
        await self._errands.close()

    async def _stamped(self, name: str, script: Any, on: Sequence[str], arguments: Sequence[Any]) -> Stamp:
        incarnation, version = await self._errands.run(_evaluate(name, script, on, arguments))
        return Stamp(int(incarnation), int(version))


async def _evaluate(name: str, script: Any, on: Sequence[str], arguments: Sequence[Any]) -> Any:
    with redis_span(name):
        async with within(CALL_S):
            return await script(keys=on, args=arguments)


def _entries(change: Change) -> Sequence[str]:
    return tuple(keys.entry(Key(change.namespace, name)) for name in change.names)
