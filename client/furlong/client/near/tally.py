"""What was counted near, by namespace."""

from dataclasses import dataclass


@dataclass(slots=True)
class NearCounts:
    """Calls of one namespace since the cache was made.

    A call is a `hit`, a `stale` one, a `join` of a load that was under way, or begins a search: the answer is then
    `found` in the service, or there was a `load`. `unanswered` are questions that the service did not answer,
    `refused` fills that came too late, `broken` answers that could not be decoded, `failed` loads in the background.
    `evictions`, `entries` and `bytes` are those of the entries that are kept.
    """

    hits: int = 0
    stale: int = 0
    joins: int = 0
    found: int = 0
    loads: int = 0
    unanswered: int = 0
    refused: int = 0
    broken: int = 0
    failed: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0
