"""Public beacons: a number that nobody can know before its time, and everybody can check afterwards.

The beacons are those of drand: many parties together sign the number of each round, at its time, under one key.

    time of round r    genesis + (r - 1) * period
    signed             SHA-256(r as 8 bytes, big-endian), under the chain's public key ("bls-unchained-g1-rfc9380")
    signature          48 bytes: there is exactly one for each round
    randomness         SHA-256(signature): what the draw takes in, as `beacon`

A round of a track names the beacon's round when it opens, the first one whose time is more than MARGIN_MS after the
lock: when betting closes, nobody knows what it will say, the house included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

MARGIN_MS: Final = 1_000
"""From the lock to the beacon's round at least, so that clocks which differ a little give nobody a look at it."""
SIGNATURE_BYTES: Final = 48
PUBLIC_KEY_BYTES: Final = 96
CHAIN_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconChain:
    """A beacon as everybody knows it; `chain_hash` and `public_key` are lower-case hex."""

    name: str
    chain_hash: str
    public_key: str
    genesis_s: int
    period_s: int

    def time_ms(self, beacon_round: int) -> int:
        """Give the time of a round, in milliseconds since the Unix epoch."""
        return (self.genesis_s + (beacon_round - 1) * self.period_s) * 1_000

    def round_at(self, at_ms: int) -> int:
        """Give the latest round whose time has come; 0 before the first one."""
        return max(0, (at_ms - self.genesis_s * 1_000) // (self.period_s * 1_000) + 1)

    def round_for(self, locks_at_ms: int) -> int:
        """Give the round that decides on a race whose betting closes at this time."""
        return self.round_at(locks_at_ms + MARGIN_MS) + 1


QUICKNET: Final = BeaconChain(
    name="quicknet",
    chain_hash="52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    public_key=(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc2"
        "2b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    genesis_s=1_692_803_367,
    period_s=3,
)
"""The League of Entropy's beacon, a round every three seconds."""

KNOWN: Final[Mapping[str, BeaconChain]] = MappingProxyType({QUICKNET.name: QUICKNET})
"""Beacons whose proofs can be made wherever they are asked for."""


def randomness(signature: bytes) -> str:
    """Give what the draw takes in of a round's signature, in hex; nothing without one."""
    return sha256(signature).hexdigest() if signature else ""
