"""How entries of a namespace are kept near: what the service declares for all, narrowed for one process."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

BYTES_MAX_DEFAULT: Final = 8 * 1024 * 1024

VALUE_BYTES_MAX: Final = 128 * 1024
"""What the cache service takes unless the namespace says otherwise; longer values are loaded each time."""


class Coherence(Enum):
    """What is done with entries of which it is not known whether they changed, because no changes are heard.

    STRICT entries are not given out. BOUNDED ones are, for `bound_ms` after the last moment at which they were known to
    be right. EVENTUAL ones are, until they end.
    """

    STRICT = "strict"
    BOUNDED = "bounded"
    EVENTUAL = "eventual"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPolicy:
    """How entries of `namespace` are kept near.

    `ttl_ms` is how long entries that are loaded here stay fresh, 0 to take the namespace's own time, which is also the
    most. `stale_ms` is how long after that one may be given out while it is loaded anew in the background; 0 for never.
    `bytes_max` is what all entries of the namespace may take in this process. `bound_ms` belongs to BOUNDED alone.
    Raises ValueError for what makes no sense.
    """

    namespace: str
    coherence: Coherence = Coherence.STRICT
    bound_ms: int = 0
    ttl_ms: int = 0
    stale_ms: int = 0
    bytes_max: int = BYTES_MAX_DEFAULT

    def __post_init__(self) -> None:
        """Check the numbers and what they have to do with each other."""
        for name in ("bound_ms", "ttl_ms", "stale_ms", "bytes_max"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is below 0")
        if (self.coherence is Coherence.BOUNDED) != (self.bound_ms > 0):
            raise ValueError("bound_ms is set if, and only if, the namespace is BOUNDED")
