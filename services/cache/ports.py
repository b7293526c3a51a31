"""What the cache needs from outside: a store that all replicas share. Redis is one; see `adapters/redis`."""

from collections.abc import Awaitable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from services.cache.domain.change import Change
from services.cache.domain.entry import Draft, Entry, Key
from services.cache.domain.position import Position


class StoreDown(Exception):
    """The store did not do what it was asked, in time or at all. Of a write it is not known whether it was done."""


class Stamp(NamedTuple):
    """What the store gives to a write: its own incarnation, and the next number of its counter."""

    incarnation: int
    version: int


class State(NamedTuple):
    """What a replica must know before it may trust the store's entries: every mark, with its stamp."""

    incarnation: int
    version: int
    marks: Sequence[tuple[Change, int]]


class Message(NamedTuple):
    """A message of a topic. On the topic of changes it has the stamp of the change."""

    position: Position
    payload: bytes
    request_id: str
    stamp: Stamp | None


class Asked(NamedTuple):
    """What asking for a lease came to. `token` 0: somebody else has it, for `ends_in_ms`; or, where `holder` is 0 too,
    the entry is not the one any more that was seen."""

    incarnation: int
    token: int
    holder: int
    ends_in_ms: int


class Kept(NamedTuple):
    """What a conditional write came to. Where it was not `stored`, `version` is the stored entry's, 0 for none."""

    incarnation: int
    version: int
    stored: bool


class Sum(NamedTuple):
    """A number after an increment, and whether that had been done before."""

    value: int
    replayed: bool


class SumRefused(Enum):
    """Why a number was not added to, in order of precedence."""

    REUSED = "reused"
    """The same request added something else before."""
    FULL = "full"
    """It has been added to as often as requests are remembered."""
    OVERFLOW = "overflow"
    """The sum would be more than 64 bits hold."""


class EntryStore(Protocol):
    """Where entries are shared. Every method raises StoreDown.

    `known` is the highest stamp that the caller has seen; what the store gives out is higher.
    """

    def read(self, keys: Sequence[Key]) -> Awaitable[Sequence[bytes | None]]:
        """Read at most READ_KEYS_MAX entries as they are stored, None for each that is not there."""

    async def write(self, namespace: str, drafts: Sequence[Draft], known: int) -> Stamp:
        """Write entries of one namespace under one stamp and tell the other replicas, all at once."""

    async def slide(self, entries: Sequence[tuple[Key, Entry]], ttl_ms: int) -> None:
        """Let entries live for `ttl_ms` from now on, where they are still the same; no other replica is told."""

    async def forget(self, change: Change, known: int) -> Stamp:
        """Forget what a change covers and tell the other replicas, all at once."""

    async def renew(self, known: int) -> Stamp:
        """Begin a new incarnation, in which nothing that was written before is worth anything, and tell."""


class LeaseStore(Protocol):
    """Where it is decided who loads. Every method raises StoreDown."""

    async def lease(self, key: Key, seen: int, void: int, lease_ms: int, known: int) -> Asked:
        """Ask for the lease of a key whose stored entry has the version `seen`, 0 for none.

        `void` is the token of a lease that does not stand any more, whatever the store thinks; 0 for none.
        """

    async def fill(self, namespace: str, draft: Draft, token: Stamp) -> Kept:
        """Write an entry with the version of its lease, if that stands, and tell; it ends with that."""

    async def release(self, key: Key, token: Stamp) -> None:
        """End a lease, if it stands, and tell."""


class ConditionStore(Protocol):
    """Where entries are compared before they are written. It raises StoreDown."""

    async def replace(self, namespace: str, draft: Draft, seen: int, known: int) -> Kept:
        """Write an entry and tell, if the stored one has the version `seen`, 0 for none."""


class NumberStore(Protocol):
    """Where numbers are. It raises StoreDown."""

    async def increment(self, key: Key, request_id: str, delta: int, ttl_ms: int, known: int) -> Sum | SumRefused:
        """Add to a number, once for each request id. The first increment begins it and its time to live."""


class StoreState(Protocol):
    """What the store is. Every method raises StoreDown."""

    async def state(self, known: int) -> State:
        """Read incarnation and marks; a store without an incarnation is given one."""

    async def incarnation(self) -> int:
        """Read the incarnation; 0 where the store has lost it."""


class TopicStore(Protocol):
    """Where messages are shared. Every method raises StoreDown."""

    async def publish(self, topic: str, payload: bytes, request_id: str, known_epoch: int) -> Position:
        """Add a message. A topic that the store has forgotten begins an epoch above `known_epoch`."""

    async def heads(self, topics: Sequence[str]) -> Sequence[Position]:
        """Tell where topics stand; NOWHERE for one that the store does not know."""

    async def between(self, topic: str, after: Position, until: Position) -> Sequence[Message]:
        """Read the messages after one position until another, as far as they are kept."""

    async def follow(self, cursors: Mapping[str, Position]) -> Mapping[str, Sequence[Message]]:
        """Wait for messages after the cursors, for a tenth of a second at most; nothing came where it is empty.

        Of one topic it brings at most MESSAGES_AT_ONCE.
        """
