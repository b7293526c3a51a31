"""Namespaces are declared, not made by writing to them: each is a policy for the entries in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from services.cache.domain.bounds import VALUE_BYTES_MAX

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS


class Coherence(Enum):
    """What a replica does that cannot hear the others, because Redis is down.

    STRICT entries change under their key: the replica does not answer from L1, for it cannot know whether another was
    told to forget them. EVENTUAL entries never change, or may be late by their time to live: it answers on.
    """

    STRICT = "strict"
    EVENTUAL = "eventual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """How entries are kept: fresh for `ttl_ms`, and for `stale_ms` more for callers who take stale ones."""

    name: str
    ttl_ms: int
    stale_ms: int
    coherence: Coherence
    value_bytes_max: int = VALUE_BYTES_MAX


_DECLARED: Final = (
    Namespace(name="tracks", ttl_ms=5 * MINUTE_MS, stale_ms=MINUTE_MS, coherence=Coherence.STRICT),
    Namespace(name="cards", ttl_ms=5 * MINUTE_MS, stale_ms=MINUTE_MS, coherence=Coherence.STRICT),
    # Rounds are kept when they are over: only a correction changes them, and is to be seen at once.
    Namespace(name="rounds", ttl_ms=HOUR_MS, stale_ms=HOUR_MS, coherence=Coherence.STRICT),
    Namespace(name="round-lists", ttl_ms=MINUTE_MS, stale_ms=MINUTE_MS, coherence=Coherence.STRICT),
    Namespace(name="tickets", ttl_ms=MINUTE_MS, stale_ms=0, coherence=Coherence.STRICT),
    Namespace(name="reports", ttl_ms=15 * MINUTE_MS, stale_ms=HOUR_MS, coherence=Coherence.EVENTUAL),
    Namespace(name="metrics", ttl_ms=10 * SECOND_MS, stale_ms=MINUTE_MS, coherence=Coherence.EVENTUAL),
    Namespace(name="sessions", ttl_ms=15 * MINUTE_MS, stale_ms=0, coherence=Coherence.STRICT),
)

NAMESPACES: Final[Mapping[str, Namespace]] = MappingProxyType({each.name: each for each in _DECLARED})
