"""What was counted since the process started."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.metrics import Observation

from services.cache.domain.found import Found, Tier
from services.cache.domain.namespace import CANARY, NAMESPACES
from services.cache.domain.outcome import Outcome
from services.chassis import telemetry_names as names

_HIT: Final = Outcome.HIT  # to look a member up in its enum costs more than to count it
_L1: Final = Tier.L1


@dataclass(slots=True)
class Counts:
    """What one namespace did. `misses` are of both tiers, `misses_l2` those for which Redis was asked.

    `leases` were granted, `waits` were for another caller's load, `fills_refused` came too late. `saved_ms` is the time
    that loading would have taken for every hit, as far as loaders told theirs.
    """

    hits_l1: int = 0
    hits_l2: int = 0
    stale_l1: int = 0
    stale_l2: int = 0
    misses: int = 0
    misses_l2: int = 0
    absent_l1: int = 0
    absent_l2: int = 0
    sets: int = 0
    invalidations: int = 0
    leases: int = 0
    waits: int = 0
    fills_refused: int = 0
    saved_ms: int = 0

    def count(self, found: Found) -> None:
        """Count an answer; what was left out of one is asked for again and counted then."""
        if found.outcome is _HIT and found.tier is _L1:  # by far the most
            self.hits_l1 += 1
            self.saved_ms += found.load_ms
            return
        match found.outcome, found.tier:
            case Outcome.HIT, _:
                self.hits_l2 += 1
                self.saved_ms += found.load_ms
            case Outcome.STALE, Tier.L1:
                self.stale_l1 += 1
            case Outcome.STALE, _:
                self.stale_l2 += 1
            case Outcome.MISS, _:
                self.misses += 1
            case Outcome.ABSENT, Tier.L1:
                self.absent_l1 += 1
                self.saved_ms += found.load_ms
            case Outcome.ABSENT, _:
                self.absent_l2 += 1
                self.saved_ms += found.load_ms

    @property
    def absent(self) -> int:
        """Answers that there is nothing, which are as good as a hit."""
        return self.absent_l1 + self.absent_l2

    def by_tier(self) -> Iterator[tuple[str, str, int]]:
        """List tier, outcome and how often: whatever L1 did not have, it missed."""
        yield "l1", "hit", self.hits_l1 + self.absent_l1
        yield "l1", "stale", self.stale_l1
        yield "l1", "miss", self.hits_l2 + self.absent_l2 + self.stale_l2 + self.misses
        yield "l2", "hit", self.hits_l2 + self.absent_l2
        yield "l2", "stale", self.stale_l2
        yield "l2", "miss", self.misses_l2


def _all() -> dict[str, Counts]:
    return {name: Counts() for name in (*NAMESPACES, CANARY.name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The counts of every namespace that is declared."""

    namespaces: dict[str, Counts] = field(default_factory=_all)

    def declared(self) -> Iterator[tuple[str, Counts]]:
        """List the namespaces that callers know, by name."""
        return ((name, self.namespaces[name]) for name in sorted(NAMESPACES))

    def observe(self) -> Iterable[Observation]:
        """Tell the look-ups for the metric of that name; what never happened is left out."""
        return [
            Observation(
                times,
                {
                    names.FURLONG_CACHE_NAMESPACE: namespace,
                    names.FURLONG_CACHE_TIER: tier,
                    names.FURLONG_CACHE_OUTCOME: outcome,
                },
            )
            for namespace, counts in self.declared()
            for tier, outcome, times in counts.by_tier()
            if times
        ]
