"""The answer to one key. The numbers of the enums are those of the wire."""

from enum import IntEnum
from typing import Final, NamedTuple

from services.cache.domain.entry import Entry
from services.cache.domain.outcome import Outcome


class Tier(IntEnum):
    """Where an entry came from."""

    NONE = 0
    L1 = 1
    L2 = 2


class Found(NamedTuple):
    """An entry with its outcome and age, or none. A tuple, because one is made for every key of every call."""

    outcome: Outcome
    value: bytes = b""
    version: int = 0
    age_ms: int = 0
    tier: Tier = Tier.NONE
    load_ms: int = 0
    """What loading it took, and finding it saved; 0 where nobody told."""


MISSED: Final = Found(Outcome.MISS)
OMITTED: Final = Found(Outcome.OMITTED)

_STALE: Final = Outcome.STALE  # to look a member up in its enum costs as much as to find an entry


def found(entry: Entry, tier: Tier, now_ms: int) -> Found:
    """Answer with an entry. Clocks of replicas differ, so an entry may seem to come from the future: its age is 0."""
    outcome = entry.outcome if now_ms < entry.fresh_until_ms else _STALE
    age_ms = now_ms - entry.created_ms
    return Found(outcome, entry.value, entry.version, age_ms if age_ms > 0 else 0, tier, entry.load_ms)
