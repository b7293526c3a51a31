"""An entry, and the bytes that it is in Redis.

    byte 0        format, 1
    8 bytes       incarnation of the store that it was written to
    8 bytes       version: the stamp of the write
    8 bytes each  created, fresh until, stale until; milliseconds since the Unix epoch
    2 bytes       length of the tags
    tags          in UTF-8, each ended by a zero byte
    value         the rest

All numbers are unsigned and big-endian. The first 17 bytes are written by the store itself, in the script that gives
the stamp (see `adapters/redis/scripts.py`), the rest by the replica.
"""

import struct
from typing import Final, NamedTuple

FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BQQQQQH")
_TAIL: Final = struct.Struct(">QQQH")
_TAG_END: Final = b"\0"


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

    def is_fresh(self, now_ms: int) -> bool:
        """Tell whether anybody may have it."""
        return now_ms < self.fresh_until_ms

    def is_allowed(self, now_ms: int, max_stale_ms: int) -> bool:
        """Tell whether a caller may have it who takes entries that are `max_stale_ms` past being fresh."""
        return now_ms < self.fresh_until_ms + max_stale_ms and now_ms < self.stale_until_ms


class Draft(NamedTuple):
    """An entry that has no stamp yet."""

    key: str
    value: bytes
    tags: tuple[str, ...]
    created_ms: int
    fresh_until_ms: int
    stale_until_ms: int

    def entry(self, incarnation: int, version: int) -> Entry:
        """Make the entry that the store stamped."""
        return Entry(
            incarnation, version, self.created_ms, self.fresh_until_ms, self.stale_until_ms, self.tags, self.value
        )

    def tail(self) -> bytes:
        """Encode everything after the stamp."""
        tags = b"".join(tag.encode() + _TAG_END for tag in self.tags)
        return _TAIL.pack(self.created_ms, self.fresh_until_ms, self.stale_until_ms, len(tags)) + tags + self.value


def decode(raw: bytes) -> Entry | None:
    """Read an entry; None for bytes that are none of ours, or of a later format."""
    if len(raw) < _HEAD.size or raw[0] != FORMAT:
        return None
    _, incarnation, version, created_ms, fresh_until_ms, stale_until_ms, tags_bytes = _HEAD.unpack_from(raw)
    value_at = _HEAD.size + tags_bytes
    if value_at > len(raw):
        return None
    tags: tuple[str, ...] = ()
    if tags_bytes:
        try:
            tags = tuple(raw[_HEAD.size : value_at].decode().split("\0")[:-1])
        except UnicodeDecodeError:
            return None
    return Entry(incarnation, version, created_ms, fresh_until_ms, stale_until_ms, tags, raw[value_at:])
