"""Validation of requests at the edge: every violation is collected, then one refusal names them all.

A validator is a plain function per request message. What it checks is the contract that the proto's comments state;
whether a round is open or an account has money is no matter of form and is decided further in.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from furlong.common.v1.error_pb2 import Reason
from google.protobuf.message import Message

from services.chassis.refusal import Refusal, Violation

# The refusal travels in a trailer, and clients bound their trailers to 8 KiB.
VIOLATIONS_MAX: Final = 20
# How much of a wrong value is repeated in its description.
QUOTED_CHARACTERS_MAX: Final = 40

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_TERMINAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def is_uuid(value: str) -> bool:
    """Tell a UUID of any version in its one canonical form: 36 characters, lower case."""
    return _UUID.fullmatch(value) is not None


def is_uuid7(value: str) -> bool:
    """Tell a UUID of version 7 in its canonical form."""
    return _UUID7.fullmatch(value) is not None


def is_terminal(value: str) -> bool:
    """Tell the name of a terminal: 1 to 40 letters, digits, dots, hyphens, underscores; no sign first."""
    return _TERMINAL.fullmatch(value) is not None


class Checks:
    """The checks of one request. Each notes a violation and goes on; `refuse()` at the end raises them together.

    `field` is the path as a client would write it: `tickets[3].lines[0].stake_minor`.
    """

    __slots__ = ("_more", "_violations")

    def __init__(self) -> None:
        self._violations: list[Violation] = []
        self._more = 0

    def that(self, field: str, holds: bool, description: str) -> None:
        """Check what no other check knows: when `holds` is false, `description` says what is asked of the field."""
        if not holds:
            self._note(field, description)

    def uuid(self, field: str, value: str) -> None:
        """Check a UUID of any version in its one canonical form: 36 characters, lower case."""
        if not is_uuid(value):
            self._note(field, f"{_quoted(value)} is not a UUID in lower case with hyphens")

    def uuid7(self, field: str, value: str) -> None:
        """Check a UUID of version 7 in its canonical form."""
        if not is_uuid7(value):
            self._note(field, f"{_quoted(value)} is not a UUID of version 7 in lower case with hyphens")

    def terminal(self, field: str, value: str) -> None:
        """Check the name of a terminal; an empty one stands for none."""
        if value and not is_terminal(value):
            words = "1 to 40 letters, digits, dots, hyphens and underscores that begin with a letter or digit"
            self._note(field, f"{_quoted(value)} is not the name of a terminal: {words}")

    def between(self, field: str, value: int, low: int, high: int) -> None:
        """Check a number; both ends are allowed."""
        if not low <= value <= high:
            self._note(field, f"{value} is not between {low} and {high}")

    def length(self, field: str, value: Collection[Any], low: int, high: int) -> None:
        """Check how many elements a repeated field has; both ends are allowed."""
        if not low <= len(value) <= high:
            self._note(field, f"has {len(value)} elements, not {low} to {high}")

    def text(self, field: str, value: str, low: int, high: int) -> None:
        """Check free text for people: `low` to `high` characters, every one printable."""
        if not low <= len(value) <= high:
            self._note(field, f"has {len(value)} characters, not {low} to {high}")
        elif not value.isprintable():
            self._note(field, "has characters that cannot be printed")

    def pattern(self, field: str, value: str, pattern: re.Pattern[str], words: str) -> None:
        """Check text against the whole of `pattern`; `words` say what the pattern means."""
        if pattern.fullmatch(value) is None:
            self._note(field, f"{_quoted(value)} is not {words}")

    def refuse(self) -> None:
        """Raise Refusal(MALFORMED) with every violation noted so far; do nothing when there is none."""
        if not self._violations:
            return
        first = self._violations[0]
        total = len(self._violations) + self._more
        others = f" (and {total - 1} more)" if total > 1 else ""
        raise Refusal(
            Reason.MALFORMED,
            f"{first.field}: {first.description}{others}",
            violations=self._violations,
            metadata={"violations": str(total)},
        )

    def _note(self, field: str, description: str) -> None:
        if len(self._violations) < VIOLATIONS_MAX:
            self._violations.append(Violation(field=field, description=description))
        else:
            self._more += 1


Validator = Callable[[Any, Checks], None]
"""Looks at one request and notes what is wrong with it."""

Validators = Mapping[type[Message], Validator]
"""The validator of each request message; a message without one has nothing to check."""


def _quoted(value: str) -> str:
    if len(value) <= QUOTED_CHARACTERS_MAX:
        return repr(value)
    return repr(value[:QUOTED_CHARACTERS_MAX]) + "..."
