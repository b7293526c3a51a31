"""Marks: how a million entries are invalidated without looking at one of them.

The store has one counter. Every write takes the next number from it, its stamp, and so does every invalidation. A mark
is the stamp of an invalidation, kept under what was invalidated: a tag, a pattern, the namespace. An entry is dead, or
expired, when its own stamp is below one of the marks that speak of it. It is found so when somebody reads it.

 1. Marks only rise, so telling of a change twice, or in the wrong order, kills nothing that is newer.
 2. No clock takes part. Stamps of one incarnation of the store are compared, and nothing else: an entry or a mark of
    another incarnation is not comparable, and whoever meets one forgets everything (see `engine/follower.py`).
 3. Marks need not expire to stay few: where a namespace has too many of a kind, its own mark takes the place of all of
    them. Those that delete and those that expire are counted apart, so what was only to be expired never dies of it.
"""

import re
from enum import Enum
from typing import Final

from services.cache.domain.bounds import PATTERN_MARKS_MAX, TAG_MARKS_MAX
from services.cache.domain.change import Change, Mode, Scope
from services.cache.domain.entry import Entry, Key
from services.cache.domain.glob import GlobBroken, compile_glob


class Fate(Enum):
    """What the marks have made of an entry."""

    ALIVE = "alive"
    EXPIRED = "expired"
    DEAD = "dead"


_ALIVE: Final = Fate.ALIVE  # to look a member up in its enum costs as much as to find an entry


class ModeMarks:
    """The marks of one namespace and one mode."""

    __slots__ = ("_everything", "_newest", "_patterns", "_tags")

    def __init__(self) -> None:
        self._everything = 0
        self._tags: dict[str, int] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], int]] = {}
        self._newest = 0

    def put(self, scope: Scope, name: str, stamp: int) -> None:
        """Raise one mark to `stamp`."""
        assert scope is not Scope.KEYS, "keys are forgotten one by one"
        self._newest = max(self._newest, stamp)
        match scope:
            case Scope.TAG:
                self._tags[name] = max(self._tags.get(name, 0), stamp)
            case Scope.PATTERN:
                self._put_pattern(name, stamp)
            case _:
                self._everything = max(self._everything, stamp)
        if len(self._tags) > TAG_MARKS_MAX or len(self._patterns) > PATTERN_MARKS_MAX:
            self._everything = self._newest
        if self._everything == self._newest:
            self._tags.clear()
            self._patterns.clear()

    def _put_pattern(self, pattern: str, stamp: int) -> None:
        """Raise the mark of a pattern. One that means nothing here, but did to the replica that took it, means all."""
        try:
            known = self._patterns.get(pattern) or (compile_glob(pattern), 0)
        except GlobBroken:
            self._everything = max(self._everything, stamp)
        else:
            self._patterns[pattern] = (known[0], max(known[1], stamp))

    def cover(self, key: str, entry: Entry) -> bool:
        """Tell whether one of them speaks of an entry and is newer."""
        version = entry.version
        if version >= self._newest:
            return False
        if version < self._everything:
            return True
        if any(version < self._tags.get(tag, 0) for tag in entry.tags):
            return True
        return any(version < stamp and expression.match(key) for expression, stamp in self._patterns.values())

    def __len__(self) -> int:
        return len(self._tags) + len(self._patterns)


class NamespaceMarks:
    """The marks of one namespace."""

    __slots__ = ("_deleting", "_expiring", "newest")

    def __init__(self) -> None:
        self.newest = 0
        self._deleting = ModeMarks()
        self._expiring = ModeMarks()

    def put(self, scope: Scope, name: str, mode: Mode, stamp: int) -> None:
        """Raise one mark to `stamp`."""
        assert mode is not Mode.RELEASE, "a release leaves no mark"
        self.newest = max(self.newest, stamp)
        (self._expiring if mode is Mode.EXPIRE else self._deleting).put(scope, name, stamp)

    def fate(self, key: str, entry: Entry) -> Fate:
        """Tell what they have made of an entry; where it says that there is nothing, to be expired is its end."""
        if self._deleting.cover(key, entry):
            return Fate.DEAD
        if self._expiring.cover(key, entry):
            return Fate.DEAD if entry.expired() is None else Fate.EXPIRED
        return Fate.ALIVE

    def __len__(self) -> int:
        return len(self._deleting) + len(self._expiring)


class Marks:
    """The marks of all namespaces."""

    def __init__(self) -> None:
        self._namespaces: dict[str, NamespaceMarks] = {}

    def put(self, change: Change, stamp: int) -> None:
        """Take a change in that speaks of more than single keys."""
        of_namespace = self._namespaces.get(change.namespace)
        if of_namespace is None:
            of_namespace = self._namespaces[change.namespace] = NamespaceMarks()
        for name in change.names or ("",):
            of_namespace.put(change.scope, name, change.mode, stamp)

    def fate(self, key: Key, entry: Entry) -> Fate:
        """Tell what the marks have made of an entry that is kept here."""
        of_namespace = self._namespaces.get(key.namespace)
        if of_namespace is None or entry.version >= of_namespace.newest:
            return _ALIVE
        return of_namespace.fate(key.key, entry)

    def clear(self) -> None:
        """Forget all marks: whatever they spoke of is gone."""
        self._namespaces.clear()

    def __len__(self) -> int:
        return sum(len(each) for each in self._namespaces.values())
