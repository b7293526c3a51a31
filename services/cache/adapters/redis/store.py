"""Entries and the store's own state in Redis."""

from collections.abc import Awaitable, Sequence
from typing import Final

from services.cache.adapters.redis import keys, scripts
from services.cache.adapters.redis.client import RedisClient
from services.cache.domain.bounds import PATTERN_MARKS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import CHANGES_TOPIC, Change, Mode, Scope, encode
from services.cache.domain.entry import Draft, Key
from services.cache.ports import Stamp, State

CHANGES_KEPT: Final = 10_000
"""Changes that a replica may be behind before it has lost some."""

_TELLS: Final = (keys.STATE, keys.head(CHANGES_TOPIC), keys.stream(CHANGES_TOPIC))
_MARKS_MAX: Final = {Scope.TAG: TAG_MARKS_MAX, Scope.PATTERN: PATTERN_MARKS_MAX}


class RedisStore:
    """What all replicas share. Answers `EntryStore` and `StoreState` of the ports."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def read(self, wanted: Sequence[Key]) -> Awaitable[Sequence[bytes | None]]:
        """Read entries as they are stored."""
        return self._client.read([keys.entry(key) for key in wanted])

    async def write(self, namespace: str, drafts: Sequence[Draft], known: int) -> Stamp:
        """Write entries under one stamp and tell."""
        change = Change(namespace, Scope.KEYS, tuple(draft.key for draft in drafts))
        arguments: list[str | bytes | int] = [known, CHANGES_KEPT, encode(change)]
        for draft in drafts:
            arguments += (draft.stale_until_ms - draft.created_ms, draft.tail())
        return await self._stamped(scripts.WRITE, (*_TELLS, *_entries(change)), arguments)

    async def forget(self, change: Change, known: int) -> Stamp:
        """Remove keys or make them stale, or leave a mark, and tell."""
        namespace, mode = change.namespace, change.mode
        mark = counter = ""
        touched: Sequence[str] = ()
        match change.scope:
            case Scope.KEYS:
                touched = _entries(change)
            case Scope.NAMESPACE:
                mark = keys.mark(namespace, Scope.NAMESPACE, mode)
            case scope:
                mark, counter = keys.mark(namespace, scope, mode, change.names[0]), keys.count(namespace, scope, mode)
        replaced = (Mode.EXPIRE,) if mode is Mode.EXPIRE else (Mode.DELETE, Mode.EXPIRE)
        arguments: list[str | bytes | int] = [
            *(known, CHANGES_KEPT, encode(change), mode.value, mark, counter, _MARKS_MAX.get(change.scope, 0)),
            keys.marks_of(namespace, mode),
            keys.mark(namespace, Scope.NAMESPACE, mode),
            *(keys.count(namespace, scope, each) for scope in _MARKS_MAX for each in replaced),
        ]
        return await self._stamped(scripts.FORGET, (*_TELLS, *touched), arguments)

    async def renew(self, known: int) -> Stamp:
        """Begin a new incarnation and tell."""
        everything = encode(Change("", Scope.NAMESPACE))
        return await self._stamped(scripts.RENEW, _TELLS, [known, CHANGES_KEPT, everything])

    async def state(self, known: int) -> State:
        """Read incarnation and marks."""
        answer = await self._client.run(scripts.STATE, [keys.STATE], [known])
        fields = {name.decode(): int(value) for name, value in zip(answer[::2], answer[1::2], strict=True)}
        marks = [(change, stamp) for name, stamp in fields.items() if (change := keys.read_mark(name)) is not None]
        return State(incarnation=fields[keys.INCARNATION], version=fields[keys.VERSION], marks=marks)

    async def incarnation(self) -> int:
        """Read the incarnation; 0 where it is lost."""
        return int(await self._client.command("HGET", keys.STATE, keys.INCARNATION) or 0)

    async def _stamped(
        self, script: scripts.Script, on: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> Stamp:
        incarnation, version = await self._client.run(script, on, arguments)
        return Stamp(int(incarnation), int(version))


def _entries(change: Change) -> Sequence[str]:
    """Name the keys of all entries that a change names, and of their leases."""
    named = [Key(change.namespace, name) for name in change.names]
    return (*(keys.entry(key) for key in named), *(keys.lease(key) for key in named))
