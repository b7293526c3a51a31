"""The entries of one namespace that are kept near, within their bytes, and what was heard that outdates them.

Entries that are kept are judged by when a change was heard: whatever covers them and came after them outdates them.
Answers that only come in are judged by versions: what a replica answers may be older than what was heard already.

Room is made in turns: who was used since the last turn gets another one. A hit so costs a look-up and a flag; what
would be worth a better choice is found in the service behind, half a millisecond away.
"""

import sys
from collections import OrderedDict
from enum import Enum
from typing import Final, NamedTuple

from furlong.client.near.change import UNKNOWN, Change
from furlong.client.near.policy import Coherence, NearPolicy
from furlong.client.near.trust import LAG_S, Trust

HOLDING_BYTES: Final = 440
"""What holding an entry takes beside its key and value, as `tests/unit/client/near/test_shelf.py` measures it."""

LOST_LOG2: Final = 3
"""Of values of all sizes the allocator loses up to an eighth."""

TURNS_MAX: Final = 64
"""Entries that get another turn for one that goes, at the most; it bounds the time that keeping an entry can take."""

MARKS_MAX: Final = 32
"""Patterns that are remembered; one more, and they become one mark on the whole namespace."""

HEARD_MAX: Final = 8_192
"""Keys that are remembered for answers that may still come; a version below the oldest one is not kept then."""


class Verdict(Enum):
    """What an answer is worth, going by what was heard."""

    ALIVE = "alive"
    EXPIRED = "expired"
    DEAD = "dead"


class Held:
    """An entry. `value` None is a known absence. `session` and `turn` tell what had been heard when it was right."""

    __slots__ = ("bytes", "fresh_until_s", "right_s", "session", "stale_until_s", "turn", "used", "value", "version")

    def __init__(
        self,
        value: bytes | None,
        *,
        version: int,
        session: int,
        turn: int,
        right_s: float,
        fresh_until_s: float,
        stale_until_s: float,
    ) -> None:
        self.value = value
        self.version = version
        self.session = session
        self.turn = turn
        self.right_s = right_s
        self.fresh_until_s = fresh_until_s
        self.stale_until_s = stale_until_s
        self.used = False
        self.bytes = 0


class _Mark(NamedTuple):
    """A change of more than single keys, with the turn that it began."""

    turn: int
    at_s: float
    change: Change

    def covers(self, key: str) -> bool:
        return self.change.pattern is None or self.change.pattern.match(key) is not None


class _Heard(NamedTuple):
    """The last change of a key."""

    version: int
    expires: bool
    at_s: float

    def outdates(self, version: int, now_s: float) -> bool:
        return (version < self.version or self.version == UNKNOWN) and now_s - self.at_s < LAG_S


class Shelf:
    """What is kept of one namespace. Times are of the monotonic clock. `bytes` is at most `policy.bytes_max`."""

    def __init__(self, policy: NearPolicy, trust: Trust) -> None:
        self.policy: Final = policy
        self.bytes = 0
        self.evictions = 0
        self.turn = 0
        self._trust = trust
        self._is_strict = policy.coherence is Coherence.STRICT
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._marks: list[_Mark] = []
        self._heard: OrderedDict[str, _Heard] = OrderedDict()
        self._floor: _Heard | None = None
        self._asked_until_s = 0.0

    def find(self, key: str, now_s: float) -> Held | None:
        """Find an entry that is fresh and may be given out."""
        held = self._held.get(key)
        if held is None:
            return None
        is_doubted = now_s >= self._trust.until_s or held.turn != self.turn
        if (is_doubted and not self._may_give(key, held, now_s)) or now_s >= held.fresh_until_s:
            return None
        held.used = True
        return held

    def find_stale(self, key: str, now_s: float) -> Held | None:
        """Find an entry that may be given out while it is loaded anew."""
        held = self._held.get(key)
        if held is None or not self._may_give(key, held, now_s):
            return None
        return held if held.fresh_until_s <= now_s < held.stale_until_s else None

    def keep(self, key: str, held: Held) -> None:
        """Keep an entry, unless it alone takes more than there is room for."""
        self.drop(key)
        held.bytes = _bytes_of(key, held.value)
        if held.bytes > self.policy.bytes_max:
            return
        self._held[key] = held
        self.bytes += held.bytes
        self._make_room()

    def drop(self, key: str) -> None:
        """Forget an entry, if it is there."""
        held = self._held.pop(key, None)
        if held is not None:
            self.bytes -= held.bytes

    def judge(self, key: str, version: int, now_s: float) -> Verdict:
        """Tell what an answer of this version is worth that comes in now."""
        heard = self._heard.get(key)
        if heard is not None and heard.outdates(version, now_s):
            return Verdict.EXPIRED if heard.expires else Verdict.DEAD
        if now_s < self._asked_until_s or (self._floor is not None and self._floor.outdates(version, now_s)):
            return Verdict.DEAD
        covering = [mark.change for mark in self._marks if version < mark.change.version and mark.covers(key)]
        if not covering:
            return Verdict.ALIVE
        return Verdict.EXPIRED if all(change.expires for change in covering) else Verdict.DEAD

    def hear(self, change: Change, now_s: float) -> None:
        """Forget what a change covers, and remember it for what comes in later."""
        if change.keys is None:
            self._mark(change, now_s)
            return
        for key in change.keys:
            held = self._held.get(key)
            if held is not None and held.version != change.version:
                if change.expires:
                    self._expire(held, now_s)
                else:
                    self.drop(key)
            self._remember(key, _Heard(change.version, change.expires, now_s))

    def end_session(self) -> None:
        """Doubt everything that is kept, and forget it where doubt is no way to live."""
        self.turn += 1
        if self._is_strict:
            self._held.clear()
            self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def _may_give(self, key: str, held: Held, now_s: float) -> bool:
        """Tell whether an entry may be given out, and forget it where it never may be again."""
        in_session = held.session == self._trust.session
        if held.turn != self.turn:
            if self._is_marked(key, held):
                self.drop(key)
                return False
            if in_session:
                held.turn = self.turn
        if in_session and now_s < self._trust.until_s:
            return True
        match self.policy.coherence:
            case Coherence.STRICT:
                return False
            case Coherence.BOUNDED:
                right_s = max(held.right_s, self._trust.heard_s) if in_session else held.right_s
                return now_s < right_s + self.policy.bound_ms / 1000
            case Coherence.EVENTUAL:
                return True

    def _is_marked(self, key: str, held: Held) -> bool:
        """Take in the marks that an entry has not been held against, and tell whether it is to be forgotten."""
        for mark in self._marks:
            if mark.turn > held.turn and mark.change.version != held.version and mark.covers(key):
                if not mark.change.expires:
                    return True
                self._expire(held, mark.at_s)
        return False

    def _expire(self, held: Held, at_s: float) -> None:
        held.fresh_until_s = min(held.fresh_until_s, at_s)
        held.stale_until_s = min(held.stale_until_s, at_s + self.policy.stale_ms / 1000)

    def _mark(self, change: Change, now_s: float) -> None:
        self.turn += 1
        self._asked_until_s = now_s + LAG_S if change.version == UNKNOWN else 0.0
        if change.pattern is None and not change.expires and change.version != UNKNOWN:
            self._marks = [mark for mark in self._marks if mark.change.version > change.version]
        self._marks.append(_Mark(self.turn, now_s, change))
        if len(self._marks) > MARKS_MAX:
            newest = max(mark.change.version for mark in self._marks)
            self._marks = [_Mark(self.turn, now_s, Change(newest))]

    def _remember(self, key: str, heard: _Heard) -> None:
        known = self._heard.pop(key, None)
        if known is not None and heard.version != UNKNOWN and known.version > heard.version:
            heard = known._replace(at_s=heard.at_s)
        self._heard[key] = heard
        while True:
            oldest, first = next(iter(self._heard.items()))
            if heard.at_s - first.at_s > LAG_S:
                del self._heard[oldest]
            elif len(self._heard) > HEARD_MAX:
                self._forget_heard(oldest, first)
            else:
                return

    def _forget_heard(self, key: str, heard: _Heard) -> None:
        """Forget a key's change too early: nothing of its version or an older one is trusted for as long."""
        newest = heard.version if self._floor is None else max(heard.version, self._floor.version)
        self._floor = heard._replace(version=newest if heard.version != UNKNOWN else UNKNOWN)
        del self._heard[key]

    def _make_room(self) -> None:
        turns = 0
        while self.bytes > self.policy.bytes_max:
            key, held = next(iter(self._held.items()))
            if held.used and turns < TURNS_MAX:
                held.used = False
                self._held.move_to_end(key)
                turns += 1
            else:
                self.drop(key)
                self.evictions += 1


def _bytes_of(key: str, value: bytes | None) -> int:
    """Tell what holding an entry takes: its objects, its place, and what the allocator loses by it."""
    if value is None:
        return HOLDING_BYTES + sys.getsizeof(key)
    return HOLDING_BYTES + sys.getsizeof(key) + sys.getsizeof(value) + (len(value) >> LOST_LOG2)
