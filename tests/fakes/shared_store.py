"""The store that replicas of the cache share, in memory: what Redis does, in an order that a seed decides.

Every call waits some turns of the event loop before it takes effect and some more before it is answered. `fail` tells
for each call whether it fails, and then chance tells whether it took effect all the same.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from services.cache.domain.bounds import INCREMENTS_MAX, PATTERN_MARKS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import CHANGES_TOPIC, Change, Mode, Scope, encode
from services.cache.domain.entry import FORMAT, FRESH_UNTIL_AT, Draft, Entry, Key, decode
from services.cache.domain.position import NOWHERE, Position
from services.cache.ports import Asked, Kept, Message, Stamp, State, StoreDown, Sum, SumRefused

TURNS_MAX: Final = 4
KEPT: Final = 10_000

T = TypeVar("T")


class SharedStore:
    """Answers every port of the cache. `chance` None makes it quick: every call is done in the turn that asks."""

    def __init__(self, chance: random.Random | None = None, *, kept: int = KEPT) -> None:
        self.fail: Callable[[], bool] = lambda: False
        self._chance = chance
        self._kept = kept
        self._begun = 1_000
        self._incarnation: int
        self._version: int
        self._forget_all()

    def lose_memory(self) -> None:
        """Forget everything, as a Redis does that is flushed or comes back empty."""
        self._forget_all()

    async def read(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        return await self._do(lambda: [self._entries.get(key) for key in keys])

    async def write(self, namespace: str, drafts: Sequence[Draft], known: int) -> Stamp:
        def effect() -> Stamp:
            stamp = self._stamp(known)
            for draft in drafts:
                self._entries[Key(namespace, draft.key)] = _encoded(draft, stamp)
                self._leases.pop(Key(namespace, draft.key), None)
            self._tell(Change(namespace, Scope.KEYS, tuple(draft.key for draft in drafts)), stamp)
            return stamp

        return await self._do(effect)

    async def slide(self, entries: Sequence[tuple[Key, Entry]], ttl_ms: int) -> None:
        def effect() -> None:
            for key, entry in entries:
                raw = self._entries.get(key)
                if raw is not None and raw.startswith(entry.stamp()) and any(raw[FRESH_UNTIL_AT:][:8]):
                    self._entries[key] = raw[:FRESH_UNTIL_AT] + entry.until() + raw[FRESH_UNTIL_AT + 16 :]

        await self._do(effect)

    async def forget(self, change: Change, known: int) -> Stamp:
        def effect() -> Stamp:
            stamp = self._stamp(known)
            if change.scope is Scope.KEYS:
                for name in change.names:
                    self._outdate(Key(change.namespace, name), change.mode)
            else:
                self._mark(change, stamp)
            self._tell(change, stamp)
            return stamp

        return await self._do(effect)

    async def lease(self, key: Key, seen: int, void: int, lease_ms: int, known: int) -> Asked:
        def effect() -> Asked:
            self._begin(known)
            if self._version_of(key) != seen:
                return Asked(self._incarnation, 0, 0, 0)
            held = self._leases.get(key)
            if held is not None and held.incarnation == self._incarnation and held.version != void:
                return Asked(self._incarnation, 0, held.version, lease_ms)
            held = self._leases[key] = self._stamp(known)
            return Asked(self._incarnation, held.version, held.version, lease_ms)

        return await self._do(effect)

    async def fill(self, namespace: str, draft: Draft, token: Stamp) -> Kept:
        def effect() -> Kept:
            key = Key(namespace, draft.key)
            if token.incarnation != self._incarnation or self._leases.get(key) != token:
                return Kept(self._incarnation, self._version_of(key), False)
            self._entries[key] = _encoded(draft, token)
            del self._leases[key]
            self._tell(Change(namespace, Scope.KEYS, (draft.key,)), token)
            return Kept(self._incarnation, token.version, True)

        return await self._do(effect)

    async def release(self, key: Key, token: Stamp) -> None:
        def effect() -> None:
            if self._leases.get(key) == token:
                del self._leases[key]
                self._tell(Change(key.namespace, Scope.KEYS, (key.key,), Mode.RELEASE), token)

        await self._do(effect)

    async def replace(self, namespace: str, draft: Draft, seen: int, known: int) -> Kept:
        def effect() -> Kept:
            key = Key(namespace, draft.key)
            self._begin(known)
            if (version := self._version_of(key)) != seen:
                return Kept(self._incarnation, version, False)
            stamp = self._stamp(known)
            self._entries[key] = _encoded(draft, stamp)
            self._leases.pop(key, None)
            self._tell(Change(namespace, Scope.KEYS, (draft.key,)), stamp)
            return Kept(*stamp, True)

        return await self._do(effect)

    async def increment(self, key: Key, request_id: str, delta: int, ttl_ms: int, known: int) -> Sum | SumRefused:
        def effect() -> Sum | SumRefused:
            self._begin(known)
            incarnation, value, requests = self._numbers.get(key, (0, 0, {}))
            if incarnation != self._incarnation:
                value, requests = 0, {}
            if request_id in requests:
                before = requests[request_id]
                return Sum(before[1], True) if before[0] == delta else SumRefused.REUSED
            if len(requests) >= INCREMENTS_MAX:
                return SumRefused.FULL
            if not -(2**63) <= value + delta < 2**63:
                return SumRefused.OVERFLOW
            requests[request_id] = (delta, value + delta)
            self._numbers[key] = (self._incarnation, value + delta, requests)
            return Sum(value + delta, False)

        return await self._do(effect)

    async def renew(self, known: int) -> Stamp:
        def effect() -> Stamp:
            self._incarnation = self._version = max(self._incarnation, self._version, known) + 1
            self._marks.clear()
            stamp = Stamp(self._incarnation, self._version)
            self._tell(Change("", Scope.NAMESPACE), stamp)
            return stamp

        return await self._do(effect)

    async def state(self, known: int) -> State:
        def effect() -> State:
            self._begin(known)
            return State(incarnation=self._incarnation, version=self._version, marks=list(self._marks.items()))

        return await self._do(effect)

    async def incarnation(self) -> int:
        return await self._do(lambda: self._incarnation)

    async def publish(self, topic: str, payload: bytes, request_id: str, known_epoch: int) -> Position:
        return await self._do(lambda: self._append(topic, payload, request_id, None, known_epoch))

    async def heads(self, topics: Sequence[str]) -> Sequence[Position]:
        return await self._do(lambda: [self._heads.get(topic, NOWHERE) for topic in topics])

    async def between(self, topic: str, after: Position, until: Position) -> Sequence[Message]:
        def effect() -> Sequence[Message]:
            return [each for each in self._messages.get(topic, ()) if after < each.position <= until]

        return await self._do(effect)

    async def follow(self, cursors: Mapping[str, Position]) -> Mapping[str, Sequence[Message]]:
        def effect() -> Mapping[str, Sequence[Message]]:
            heard = {
                topic: [each for each in self._messages.get(topic, ()) if each.position > cursor]
                for topic, cursor in cursors.items()
            }
            return {topic: messages for topic, messages in heard.items() if messages}

        return await self._do(effect)

    def _forget_all(self) -> None:
        self._incarnation = 0
        self._version = 0
        self._entries: dict[Key, bytes] = {}
        self._leases: dict[Key, Stamp] = {}
        self._numbers: dict[Key, tuple[int, int, dict[str, tuple[int, int]]]] = {}
        self._marks: dict[Change, int] = {}
        self._heads: dict[str, Position] = {}
        self._messages: dict[str, list[Message]] = {}

    def _begin(self, known: int) -> None:
        if not self._incarnation:
            self._begun += 1
            self._incarnation = self._version = max(self._begun, known + 1)

    def _stamp(self, known: int) -> Stamp:
        self._begin(known)
        self._version = max(self._version, known) + 1
        return Stamp(self._incarnation, self._version)

    def _version_of(self, key: Key) -> int:
        raw = self._entries.get(key)
        entry = None if raw is None else decode(raw)
        return entry.version if entry is not None and entry.incarnation == self._incarnation else 0

    def end_lease(self, key: Key) -> None:
        """Let a lease end, as it does by itself in time."""
        self._leases.pop(key, None)

    def _mark(self, change: Change, stamp: Stamp) -> None:
        self._marks[change] = stamp.version
        replaced = (Mode.EXPIRE,) if change.mode is Mode.EXPIRE else (Mode.DELETE, Mode.EXPIRE)
        of_namespace = [known for known in self._marks if known.namespace == change.namespace]
        kinds = [known.scope for known in of_namespace if known.mode is change.mode]
        too_many = kinds.count(Scope.TAG) > TAG_MARKS_MAX or kinds.count(Scope.PATTERN) > PATTERN_MARKS_MAX
        if change.scope is Scope.NAMESPACE or too_many:
            for known in of_namespace:
                if known.mode in replaced:
                    del self._marks[known]
            self._marks[Change(change.namespace, Scope.NAMESPACE, (), change.mode)] = stamp.version

    def _outdate(self, key: Key, mode: Mode) -> None:
        self._leases.pop(key, None)
        raw = self._entries.pop(key, None)
        entry = None if raw is None else decode(raw)
        if raw is not None and entry is not None and mode is Mode.EXPIRE and entry.expired() is not None:
            self._entries[key] = raw[:FRESH_UNTIL_AT] + bytes(8) + raw[FRESH_UNTIL_AT + 8 :]

    def _tell(self, change: Change, stamp: Stamp) -> None:
        self._append(CHANGES_TOPIC, encode(change), "", stamp, stamp.version)

    def _append(self, topic: str, payload: bytes, request_id: str, stamp: Stamp | None, known_epoch: int) -> Position:
        head = self._heads.get(topic)
        if head is None:
            self._begun += 1
            head = Position(max(self._begun, known_epoch + 1), 0)
        position = self._heads[topic] = Position(head.epoch, head.sequence + 1)
        messages = self._messages.setdefault(topic, [])
        messages.append(Message(position, payload, request_id, stamp))
        del messages[: -self._kept]
        return position

    async def _do(self, effect: Callable[[], T]) -> T:
        await self._pass_time()
        if self.fail():
            if self._chance is not None and self._chance.random() < 0.5:
                effect()
            await self._pass_time()
            raise StoreDown("as told")
        answer = effect()
        await self._pass_time()
        return answer

    async def _pass_time(self) -> None:
        if self._chance is not None:
            for _ in range(self._chance.randrange(TURNS_MAX)):
                await asyncio.sleep(0)


def _encoded(draft: Draft, stamp: Stamp) -> bytes:
    head = bytes((FORMAT,)) + stamp.incarnation.to_bytes(8, "big") + stamp.version.to_bytes(8, "big")
    return head + draft.tail()
