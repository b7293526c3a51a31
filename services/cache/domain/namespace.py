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

COMPRESS_FROM_BYTES: Final = 1_024
"""Below this a value gains less by being compressed than it costs; see docs/cache.md."""


class Coherence(Enum):
    """What a replica does that cannot hear the others, because Redis is down.

    STRICT entries change under their key: the replica does not answer from L1, for it cannot know whether another was
    told to forget them. BOUNDED ones may be out of date, by `bound_ms` at the most: it answers on for so long. EVENTUAL
    entries never change, or may be late by their time to live: it answers on.
    """

    STRICT = "strict"
    BOUNDED = "bounded"
    EVENTUAL = "eventual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """How entries are kept: fresh for `ttl_ms`, and for `stale_ms` more for callers who take stale ones."""

    name: str
    ttl_ms: int
    stale_ms: int
    coherence: Coherence
    bound_ms: int = 0
    """How long a BOUNDED namespace is answered from L1 without word from the other replicas."""
    jitter_percent: int = 10
    """How much of the time to live is left to chance, so that what was written together does not end together. A time
    that a writer asked for is kept to the millisecond."""
    sliding: bool = False
    """Whether an entry that is read lives on: its time to live counts from its last use. One whose writer asked for a
    time of its own ends when that is over."""
    negative_ttl_ms: int = 5 * SECOND_MS
    """How long at the most it is kept that there is nothing under a key."""
    lease_ms: int = 5 * SECOND_MS
    """How long a caller who may load an entry has for it."""
    l1_percent: int = 100
    """How much of L1 the entries may take, so that no namespace takes all of it from the others."""
    compress_from_bytes: int = COMPRESS_FROM_BYTES
    """Values from this size on are compressed in L2."""
    value_bytes_max: int = VALUE_BYTES_MAX

    def __post_init__(self) -> None:
        """Refuse what makes no policy."""
        assert self.ttl_ms > 0, "an entry is kept for a while"
        assert 0 <= self.jitter_percent <= 50
        assert 0 < self.l1_percent <= 100
        assert (self.coherence is Coherence.BOUNDED) == (self.bound_ms > 0), "a bound is BOUNDED's, and it needs one"
        assert not (self.sliding and self.stale_ms), "what lives on by being read is not stale by being old"

    def fresh_ms(self, asked_ms: int, chance: float) -> int:
        """Tell how long a new entry stays fresh; `asked_ms` 0 takes the namespace's. `chance` is from 0 to below 1."""
        return asked_ms or self.ttl_ms - int(self.ttl_ms * self.jitter_percent * chance / 100)

    def absent_ms(self, asked_ms: int) -> int:
        """Tell how long it stays fresh that there is nothing under a key."""
        return min(asked_ms or self.negative_ttl_ms, self.negative_ttl_ms)

    def answers_alone(self, unheard_ms: float) -> bool:
        """Tell whether L1 may answer though nothing was heard of the others for so long."""
        match self.coherence:
            case Coherence.STRICT:
                return False
            case Coherence.BOUNDED:
                return unheard_ms <= self.bound_ms
            case Coherence.EVENTUAL:
                return True

    def l1_bytes_max(self, bytes_max: int) -> int:
        """Tell how much of an L1 of `bytes_max` the entries may take."""
        return bytes_max * self.l1_percent // 100


_DECLARED: Final = (
    Namespace(name="tracks", ttl_ms=5 * MINUTE_MS, stale_ms=MINUTE_MS, coherence=Coherence.STRICT, l1_percent=50),
    Namespace(name="cards", ttl_ms=5 * MINUTE_MS, stale_ms=MINUTE_MS, coherence=Coherence.STRICT, l1_percent=50),
    # Rounds are kept when they are over: only a correction changes them, and is to be seen at once.
    Namespace(name="rounds", ttl_ms=HOUR_MS, stale_ms=HOUR_MS, coherence=Coherence.STRICT),
    Namespace(name="round-lists", ttl_ms=MINUTE_MS, stale_ms=MINUTE_MS, coherence=Coherence.STRICT, l1_percent=50),
    # A price is fixed when its round opens. A screen may be late with it, by less than anybody notices.
    Namespace(
        name="prices",
        ttl_ms=10 * SECOND_MS,
        stale_ms=10 * SECOND_MS,
        coherence=Coherence.BOUNDED,
        bound_ms=2 * SECOND_MS,
        negative_ttl_ms=SECOND_MS,
        l1_percent=50,
    ),
    Namespace(
        name="tickets",
        ttl_ms=MINUTE_MS,
        stale_ms=0,
        coherence=Coherence.STRICT,
        negative_ttl_ms=SECOND_MS,
        l1_percent=25,
    ),
    # A report takes long to make, and who waits for one waits rather than making it again.
    Namespace(
        name="reports",
        ttl_ms=15 * MINUTE_MS,
        stale_ms=HOUR_MS,
        coherence=Coherence.EVENTUAL,
        negative_ttl_ms=30 * SECOND_MS,
        lease_ms=30 * SECOND_MS,
    ),
    Namespace(name="metrics", ttl_ms=10 * SECOND_MS, stale_ms=MINUTE_MS, coherence=Coherence.EVENTUAL, l1_percent=25),
    Namespace(
        name="sessions",
        ttl_ms=15 * MINUTE_MS,
        stale_ms=0,
        coherence=Coherence.STRICT,
        jitter_percent=0,  # whoever logged in is told how long that lasts
        sliding=True,
        l1_percent=50,
    ),
)

NAMESPACES: Final[Mapping[str, Namespace]] = MappingProxyType({each.name: each for each in _DECLARED})

CANARY: Final = Namespace(
    name="canary", ttl_ms=MINUTE_MS, stale_ms=0, coherence=Coherence.STRICT, jitter_percent=0, l1_percent=1
)
"""The cache's own, for the measure of staleness (see `engine/canary.py`); no caller can name it."""


def l1_quotas(bytes_max: int) -> Mapping[str, int]:
    """Tell how much of an L1 of `bytes_max` each namespace may take, the cache's own included."""
    return {each.name: each.l1_bytes_max(bytes_max) for each in (*_DECLARED, CANARY)}
