"""Winners in one canonical encoding, so that a settlement asked for twice can be told from another one.

Ordered by market and selection, each: market (1 byte), number of runners (1), each runner (1), numerator (8 bytes,
big-endian), denominator (8). A stake that is given back has the numerator 0, which no part of a stake has that wins.
"""

import struct
from collections.abc import Iterable, Sequence

from services.persist.domain.round import Winner

_PART = struct.Struct(">QQ")


def canonical(winners: Iterable[Winner]) -> bytes:
    """Encode winners, in whatever order they came."""
    ordered = sorted(winners, key=lambda winner: (winner.market, winner.selection))
    return b"".join(
        bytes((winner.market, len(winner.selection)))
        + winner.selection
        + _PART.pack(0 if winner.refund else winner.numerator, winner.denominator)
        for winner in ordered
    )


def decoded(encoded: bytes) -> Sequence[Winner]:
    """Read winners from their canonical encoding."""
    found = []
    at = 0
    while at < len(encoded):
        market, runners = encoded[at], encoded[at + 1]
        begin, end = at + 2, at + 2 + runners
        at = end + _PART.size
        numerator, denominator = _PART.unpack(encoded[end:at])
        found.append(
            Winner(
                market=market,
                selection=encoded[begin:end],
                numerator=numerator or 1,
                denominator=denominator,
                refund=numerator == 0,
            )
        )
    return found
