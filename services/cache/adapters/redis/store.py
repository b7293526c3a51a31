"""Entries and the store's own state in Redis."""

from collections.abc import Awaitable, Sequence
from typing import Final

from services.cache.adapters.redis import keys, scripts
from services.cache.adapters.redis.client import RedisClient
from services.cache.domain.bounds import INCREMENTS_MAX, PATTERN_MARKS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import CHANGES_TOPIC, Change, Mode, Scope, encode
from services.cache.domain.entry import Draft, Entry, Key
from services.cache.domain.namespace import NAMESPACES
from services.cache.ports import Asked, Kept, Stamp, State, Sum, SumRefused

CHANGES_KEPT: Final = 10_000
"""Changes that a replica may be behind before it has lost some."""

Arguments = list[str | bytes | int]

_TELLS: Final = (keys.STATE, keys.head(CHANGES_TOPIC), keys.stream(CHANGES_TOPIC))
_MARKS_MAX: Final = {Scope.TAG: TAG_MARKS_MAX, Scope.PATTERN: PATTERN_MARKS_MAX}


class RedisStore:
    """What all replicas share. Answers every port but that of topics."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    def read(self, wanted: Sequence[Key]) -> Awaitable[Sequence[bytes | None]]:
        """Read entries as they are stored."""
        return self._client.read([keys.entry(key) for key in wanted])

    async def write(self, namespace: str, drafts: Sequence[Draft], known: int) -> Stamp:
        """Write entries under one stamp and tell."""
        change = Change(namespace, Scope.KEYS, tuple(draft.key for draft in drafts))
        arguments: Arguments = [known, CHANGES_KEPT, encode(change)]
        for draft in drafts:
            arguments += (draft.stale_until_ms - draft.created_ms, draft.tail())
        return await self._stamped(scripts.WRITE, (*_TELLS, *_entries(change)), arguments)

    async def slide(self, entries: Sequence[tuple[Key, Entry]], ttl_ms: int) -> None:
        """Let entries live on."""
        arguments: list[str | bytes | int] = [ttl_ms]
        for _, entry in entries:
            arguments += (entry.stamp(), entry.until())
        await self._client.run(scripts.SLIDE, [keys.entry(key) for key, _ in entries], arguments)

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
        arguments: Arguments = [
            *(known, CHANGES_KEPT, encode(change), mode.value, mark, counter, _MARKS_MAX.get(change.scope, 0)),
            keys.mark(namespace, Scope.NAMESPACE, mode),
            keys.mark(namespace, Scope.NAMESPACE, Mode.EXPIRE),
        ]
        return await self._stamped(scripts.FORGET, (*_TELLS, *_marks(namespace), *touched), arguments)

    async def lease(self, key: Key, seen: int, void: int, lease_ms: int, known: int) -> Asked:
        """Ask for a lease."""
        on = (keys.STATE, keys.entry(key), keys.lease(key))
        return Asked(*map(int, await self._client.run(scripts.LEASE, on, [known, seen, void, lease_ms])))

    async def fill(self, namespace: str, draft: Draft, token: Stamp) -> Kept:
        """Write an entry if its lease stands, and tell."""
        change = Change(namespace, Scope.KEYS, (draft.key,))
        arguments: Arguments = [
            CHANGES_KEPT,
            encode(change),
            *token,
            draft.stale_until_ms - draft.created_ms,
            draft.tail(),
        ]
        return _kept(await self._client.run(scripts.FILL, (*_TELLS, *_entries(change)), arguments))

    async def release(self, key: Key, token: Stamp) -> None:
        """End a lease and tell."""
        released = encode(Change(key.namespace, Scope.KEYS, (key.key,), Mode.RELEASE))
        await self._client.run(scripts.RELEASE, (*_TELLS, keys.lease(key)), [CHANGES_KEPT, released, *token])

    async def replace(self, namespace: str, draft: Draft, seen: int, known: int) -> Kept:
        """Write an entry if the stored one has a version, and tell."""
        change = Change(namespace, Scope.KEYS, (draft.key,))
        lasts_ms = draft.stale_until_ms - draft.created_ms
        arguments: Arguments = [known, CHANGES_KEPT, encode(change), seen, lasts_ms, draft.tail()]
        return _kept(await self._client.run(scripts.REPLACE, (*_TELLS, *_entries(change)), arguments))

    async def increment(self, key: Key, request_id: str, delta: int, ttl_ms: int, known: int) -> Sum | SumRefused:
        """Add to a number."""
        remembered = INCREMENTS_MAX + len(("incarnation", "value"))
        arguments: Arguments = [known, request_id, delta, ttl_ms, remembered]
        outcome, value = await self._client.run(scripts.INCREMENT, (keys.STATE, keys.number(key)), arguments)
        if outcome in (b"added", b"replayed"):
            return Sum(int(value), outcome == b"replayed")
        return SumRefused(outcome.decode())

    async def renew(self, known: int) -> Stamp:
        """Begin a new incarnation and tell."""
        everything = encode(Change("", Scope.NAMESPACE))
        return await self._stamped(scripts.RENEW, _TELLS, [known, CHANGES_KEPT, everything])

    async def state(self, known: int) -> State:
        """Read incarnation and marks."""
        marked = [each for namespace in NAMESPACES for each in _marks(namespace)]
        parts = await self._client.run(scripts.STATE, [keys.STATE, *marked], [known])
        fields = {
            name.decode(): int(value) for part in parts for name, value in zip(part[::2], part[1::2], strict=True)
        }
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


def _marks(namespace: str) -> Sequence[str]:
    """Name the keys of a namespace's marks, of those that delete and of those that expire."""
    return keys.marks(namespace, Mode.DELETE), keys.marks(namespace, Mode.EXPIRE)


def _entries(change: Change) -> Sequence[str]:
    """Name the keys of all entries that a change names, and of their leases."""
    named = [Key(change.namespace, name) for name in change.names]
    return (*(keys.entry(key) for key in named), *(keys.lease(key) for key in named))


def _kept(answer: Sequence[bytes | int]) -> Kept:
    incarnation, version, stored = map(int, answer)
    return Kept(incarnation, version, bool(stored))
