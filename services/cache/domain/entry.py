"""An entry, and the bytes that it is in Redis.

    byte 0        format, 2
    8 bytes       incarnation of the store that it was written to
    8 bytes       version: the stamp of the write
    1 byte        flags: 1 where the entry says that there is nothing under its key, 2 where the value is packed, 4
                  where its times count from its last use
    8 bytes each  created, fresh until, stale until; milliseconds since the Unix epoch
    4 bytes       how long it took to load, in milliseconds
    2 bytes       length of the tags
    tags          in UTF-8, each ended by a zero byte
    value         the rest

All numbers are unsigned and big-endian. The first 17 bytes are written by the store itself, in the script that gives
the stamp (see `adapters/redis/scripts.py`), the rest by the replica.

An entry that was expired is fresh until 0. Since when it is out of date nobody knows, only that it was right when it
was written: so it counts as stale for as long as it is old, which is never less than it is, and nobody is given it who
takes fresh ones only, whatever the clocks say. What says that there is nothing is never stale; to expire it is its end.
"""

import struct
from typing import Final, NamedTuple

from services.cache.domain.outcome import Outcome
from services.cache.domain.packing import packed, unpacked

FORMAT: Final = 2
EXPIRED: Final = 0
"""`fresh_until_ms` of an entry that was expired."""

LOAD_MS_MAX: Final = 2**32 - 1

_HEAD: Final = struct.Struct(">BQQBQQQIH")
_TAIL: Final = struct.Struct(">BQQQIH")
_STAMP: Final = struct.Struct(">BQQ")
_UNTIL: Final = struct.Struct(">QQ")
FLAGS_AT: Final = 17
FRESH_UNTIL_AT: Final = 26
_ABSENT: Final = 1
_PACKED: Final = 2
_SLIDES: Final = 4
_TAG_END: Final = b"\0"

_HIT: Final = Outcome.HIT


class Key(NamedTuple):
    """What an entry is called. A tuple, because it is hashed for every look-up."""

    namespace: str
    key: str


class Entry(NamedTuple):
    """What was written. A tuple, because one is made for every answer of Redis."""

    incarnation: int
    version: int
    created_ms: int
    fresh_until_ms: int
    stale_until_ms: int
    tags: tuple[str, ...]
    value: bytes
    outcome: Outcome = _HIT
    """What finding it comes to while it is fresh."""
    load_ms: int = 0
    slides: bool = False
    """Whether it lives on when it is read."""

    def is_fresh(self, now_ms: int) -> bool:
        """Tell whether anybody may have it."""
        return now_ms < self.fresh_until_ms

    def is_allowed(self, now_ms: int, max_stale_ms: int) -> bool:
        """Tell whether a caller may have it who takes entries that are `max_stale_ms` past being fresh."""
        if now_ms >= self.stale_until_ms:
            return False
        if now_ms < self.fresh_until_ms + max_stale_ms:
            return True
        return self.fresh_until_ms == EXPIRED and max(now_ms - self.created_ms, 0) < max_stale_ms

    def expired(self) -> "Entry | None":
        """Make the entry that is left when it is expired."""
        return None if self.outcome is Outcome.ABSENT else self._replace(fresh_until_ms=EXPIRED)

    def slid(self, until_ms: int) -> "Entry":
        """Make the entry that lives on."""
        return self._replace(fresh_until_ms=until_ms, stale_until_ms=until_ms)

    def stamp(self) -> bytes:
        """Encode what the store wrote of it, which tells it from every other entry of its key."""
        return _STAMP.pack(FORMAT, self.incarnation, self.version)

    def until(self) -> bytes:
        """Encode until when it is fresh and stale."""
        return _UNTIL.pack(self.fresh_until_ms, self.stale_until_ms)


NEVER_PACKED: Final = 2**63 - 1
"""Larger than any value."""


class Draft(NamedTuple):
    """An entry that has no stamp yet. In the store its value is packed where it has `pack_from_bytes` or more."""

    key: str
    value: bytes
    tags: tuple[str, ...]
    created_ms: int
    fresh_until_ms: int
    stale_until_ms: int
    absent: bool = False
    load_ms: int = 0
    pack_from_bytes: int = NEVER_PACKED
    slides: bool = False

    def entry(self, incarnation: int, version: int) -> Entry:
        """Make the entry that the store stamped."""
        return Entry(
            incarnation,
            version,
            self.created_ms,
            self.fresh_until_ms,
            self.stale_until_ms,
            self.tags,
            self.value,
            Outcome.ABSENT if self.absent else _HIT,
            self.load_ms,
            self.slides,
        )

    def tail(self) -> bytes:
        """Encode everything after the stamp."""
        tags = b"".join(tag.encode() + _TAG_END for tag in self.tags)
        flags = (_ABSENT if self.absent else 0) | (_SLIDES if self.slides else 0)
        value = self.value
        smaller = packed(value, self.pack_from_bytes)
        if smaller is not None:
            flags, value = flags | _PACKED, smaller
        load_ms = min(self.load_ms, LOAD_MS_MAX)
        times = (self.created_ms, self.fresh_until_ms, self.stale_until_ms)
        return _TAIL.pack(flags, *times, load_ms, len(tags)) + tags + value


def decode(raw: bytes) -> Entry | None:
    """Read an entry; None for bytes that are none of ours, or of another format."""
    if len(raw) < _HEAD.size or raw[0] != FORMAT:
        return None
    _, incarnation, version, flags, created_ms, fresh_until_ms, stale_until_ms, load_ms, tags_bytes = _HEAD.unpack_from(
        raw
    )
    value_at = _HEAD.size + tags_bytes
    if value_at > len(raw):
        return None
    tags: tuple[str, ...] = ()
    if tags_bytes:
        try:
            tags = tuple(raw[_HEAD.size : value_at].decode().split("\0")[:-1])
        except UnicodeDecodeError:
            return None
    value = raw[value_at:]
    if flags & _PACKED:
        unpacked_value = unpacked(value)
        if unpacked_value is None:
            return None
        value = unpacked_value
    outcome = Outcome.ABSENT if flags & _ABSENT else _HIT
    return Entry(
        incarnation,
        version,
        created_ms,
        fresh_until_ms,
        stale_until_ms,
        tags,
        value,
        outcome,
        load_ms,
        bool(flags & _SLIDES),
    )
