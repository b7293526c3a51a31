"""What was counted since the process started."""

from dataclasses import dataclass, field

from services.cache.domain.found import Found, Outcome, Tier
from services.cache.domain.namespace import NAMESPACES


@dataclass(slots=True)
class Counts:
    """What one namespace did."""

    hits_l1: int = 0
    hits_l2: int = 0
    stale_l1: int = 0
    stale_l2: int = 0
    misses: int = 0
    sets: int = 0
    invalidations: int = 0

    def count(self, found: Found) -> None:
        """Count an answer; what was left out of one is asked for again and counted then."""
        match found.outcome, found.tier:
            case Outcome.HIT, Tier.L1:
                self.hits_l1 += 1
            case Outcome.HIT, _:
                self.hits_l2 += 1
            case Outcome.STALE, Tier.L1:
                self.stale_l1 += 1
            case Outcome.STALE, _:
                self.stale_l2 += 1
            case Outcome.MISS, _:
                self.misses += 1


def _all() -> dict[str, Counts]:
    return {name: Counts() for name in NAMESPACES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The counts of every namespace that is declared."""

    namespaces: dict[str, Counts] = field(default_factory=_all)
