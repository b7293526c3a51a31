"""A change that was heard: what is to be forgotten near."""

import fnmatch
import re
from typing import Final, NamedTuple

from furlong.cache.v1.cache_service_pb2 import EXPIRE, WatchChangesResponse

UNKNOWN: Final = 0
"""The version of a change that this process has asked for and not heard of yet."""


class Change(NamedTuple):
    """What a change covers: `keys`, those that `pattern` matches, or, where both are None, the whole namespace.

    A tag is the whole namespace here, because answers do not tell the tags of their entries. `expires` is set where the
    entries become stale instead of being forgotten.
    """

    version: int
    keys: tuple[str, ...] | None = None
    pattern: re.Pattern[str] | None = None
    expires: bool = False


def read(word: WatchChangesResponse) -> Change:
    """Read a word of kind CHANGE."""
    return change(
        word.version,
        keys=tuple(word.keys.keys) if word.HasField("keys") else None,
        pattern=word.pattern or None,
        expires=word.mode == EXPIRE,
    )


def change(version: int, *, keys: tuple[str, ...] | None, pattern: str | None, expires: bool) -> Change:
    """Make a change. A pattern that means nothing here, but did to the service, means the whole namespace."""
    expression = None
    if pattern is not None:
        try:
            expression = re.compile(fnmatch.translate(pattern))
        except re.error:
            expression = None
    return Change(version, keys, expression, expires)
