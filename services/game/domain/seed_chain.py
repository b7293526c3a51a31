"""Seed chains: the seeds of a track's rounds, fixed all at once before the first of them, and revealed one by one.

    seed(length)   32 random bytes, and from there down:
    seed(i - 1)    SHA-256(seed(i))
    anchor         seed(0): the chain's end, published before the first round; SHA-256 applied i times to seed(i)

A track's rounds take the seeds in order, 1, 2, 3 and so on, each once; a round that is voided uses its seed up. So the
commitment of a round, SHA-256 of its seed, is the seed of the round before it, or the anchor: no seed is known to
anybody until it is revealed, and the one that is revealed can be no other.

A chain is kept as its checkpoints, every so many seeds, so that any seed costs at most that many hashes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from services.game.domain.draw import SEED_BYTES

STRIDE: Final = 1_000
"""Seeds from one checkpoint to the next: what a seed costs at most, in hashes."""
HASHES_AT_ONCE: Final = 1_000
"""Hashes between two steps of the making of a chain, less than a millisecond of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedChain:
    """A chain as the store keeps it: `used` is the index of the seed used last; the checkpoints are sealed."""

    track: str
    chain_no: int
    anchor: str
    length: int
    used: int
    published_at_ms: int
    sealed_checkpoints: bytes

    @property
    def left(self) -> int:
        """Count the seeds that no round has used."""
        return self.length - self.used


class ChainBroken(Exception):
    """Checkpoints that are not those of a chain of this length and with this anchor."""


class SeedChain:
    """All seeds of a chain. `checkpoints` are the seeds STRIDE, 2 STRIDE and so on, and the last one, end to end."""

    def __init__(self, *, length: int, checkpoints: bytes) -> None:
        if length < 1 or len(checkpoints) != SEED_BYTES * _checkpoint_of(length):
            raise ChainBroken(f"{len(checkpoints)} bytes are no checkpoints of {length} seeds")
        self.length = length
        self.checkpoints = checkpoints

    @property
    def anchor(self) -> str:
        """Give the chain's end, in lower-case hex."""
        return hashed(self.seed(1), 1).hex()

    def seed(self, index: int) -> bytes:
        """Give one seed, 32 bytes."""
        assert 1 <= index <= self.length, f"a chain of {self.length} seeds has no seed {index}"
        checkpoint = _checkpoint_of(index)
        start = SEED_BYTES * (checkpoint - 1)
        known_index = min(checkpoint * STRIDE, self.length)
        return hashed(self.checkpoints[start : start + SEED_BYTES], known_index - index)


def unrolled(last: bytes, length: int) -> Iterator[SeedChain | None]:
    """Make a chain from its last seed, a little at a time: None as long as there is more to do, then the chain."""
    checkpoints = []
    seed = last
    for index in range(length, 0, -1):
        if index == length or index % STRIDE == 0:
            checkpoints.append(seed)
        seed = sha256(seed).digest()
        if index % HASHES_AT_ONCE == 0:
            yield None
    yield SeedChain(length=length, checkpoints=b"".join(reversed(checkpoints)))


def hashed(seed: bytes, times: int) -> bytes:
    """Apply SHA-256 so many times."""
    for _ in range(times):
        seed = sha256(seed).digest()
    return seed


def _checkpoint_of(index: int) -> int:
    """Count the checkpoints up to the first one that is not below a seed."""
    return -(-index // STRIDE)
