"""Winners in one canonical encoding, so that a settlement asked for twice can be told from another one.

Ordered by market and selection, each: market (1 byte), number of runners (1), each runner (1), numerator (8 bytes,
big-endian), denominator (8).
"""

import struct
from collections.abc import Iterable

from services.persist.domain.round import Winner

_PART = struct.Struct(">QQ")


def canonical(winners: Iterable[Winner]) -> bytes:
    """Encode winners, in whatever order they came."""
    ordered = sorted(winners, key=lambda winner: (winner.market, winner.selection))
    return b"".join(
        bytes((winner.market, len(winner.selection)))
        + winner.selection
        + _PART.pack(winner.numerator, winner.denominator)
        for winner in ordered
    )
