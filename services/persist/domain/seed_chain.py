"""Chains of seeds, of which each is used up by one round of a track, in order."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """A chain as it is to be published; `sealed_checkpoints` are under a key that the store does not have."""

    track: str
    chain_no: int
    anchor: bytes
    length: int
    sealed_checkpoints: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedChain:
    """A published chain; `used` is the index of the seed that was used last, 0 before the first one."""

    track: str
    chain_no: int
    anchor: bytes
    length: int
    used: int
    published_at: datetime
    sealed_checkpoints: bytes
