"""Globs over keys: `*` any characters, `?` one, `[abc]`, `[a-z]`, `[!abc]` one of a set; anything else is itself.

A pattern comes from outside and is matched against every older entry that is read, so it must not be able to cost more
than the length of both: `fnmatch` makes expressions that never try a `*` again.
"""

import fnmatch
import re
from typing import Final

_SET_MIN: Final = 1


class GlobBroken(ValueError):
    """A pattern means nothing; the message says where it breaks."""


def compile_glob(pattern: str) -> re.Pattern[str]:
    """Make the expression that matches whole keys. Raises GlobBroken."""
    _check(pattern)
    return re.compile(fnmatch.translate(pattern))


def _check(pattern: str) -> None:
    """Refuse what fnmatch would take for something else than it looks like."""
    at = 0
    while (at := pattern.find("[", at)) >= 0:
        inside_at = at + 2 if pattern.startswith("!", at + 1) else at + 1
        end = pattern.find("]", inside_at + _SET_MIN)  # a `]` that comes first is one of the set
        if end < 0:
            raise GlobBroken(f"`[` at character {at + 1} is never closed around at least one character")
        _check_ranges(pattern[inside_at:end])
        at = end + 1


def _check_ranges(inside: str) -> None:
    for middle in range(1, len(inside) - 1):
        if inside[middle] == "-" and inside[middle - 1] > inside[middle + 1]:
            raise GlobBroken(f"the range `{inside[middle - 1 : middle + 2]}` goes backwards")
