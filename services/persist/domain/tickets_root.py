"""The Merkle root of a round's accepted tickets: what it commits to cannot be changed after the lock.

    leaf  = SHA-256(0x00 || encoded ticket)         node = SHA-256(0x01 || left || right)        empty = SHA-256("")

A tree of n leaves splits at the largest power of two below n, as in RFC 6962. Each commit stores the root over its own
tickets in their order; the round's root is the tree over these sub-roots, as they are, in the order of their batches.
So the lock hashes a few hundred sub-roots instead of a million tickets.

A ticket is encoded as: ticket_id (16 bytes), account_id (16), round_id (8, big-endian), number of lines (2), and per
line: market (1), number of runners (1), each runner (1), stake_minor (8), price_hundredths (4).
"""

import struct
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Final, NamedTuple

from services.persist.domain.ticket import Order

EMPTY: Final = sha256(b"").digest()

_HEAD: Final = struct.Struct(">QH")


def leaf(order: Order, round_id: int) -> bytes:
    """The leaf of an accepted order."""
    ids = bytes.fromhex(f"{order.request_id}{order.account_id}".replace("-", ""))
    lines = [
        _line_form(len(selection)).pack(market, len(selection), selection, stake_minor, price_hundredths)
        for market, selection, stake_minor, price_hundredths in order.lines
    ]
    return sha256(b"".join([b"\x00", ids, _HEAD.pack(round_id, len(lines)), *lines])).digest()


@cache
def _line_form(runners: int) -> struct.Struct:
    """How a line with so many runners is encoded; there are as many forms as a line may have runners."""
    return struct.Struct(f">BB{runners}sQI")


def root(hashes: Sequence[bytes]) -> bytes:
    """The root of the tree over `hashes`, which are leaves or sub-roots.

    Pairing neighbours level by level, with an odd last one carried up unchanged, gives the very tree that splits at
    the largest power of two.
    """
    if not hashes:
        return EMPTY
    level = list(hashes)
    while len(level) > 1:
        odd = [level[-1]] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level += odd
    return level[0]


class Step(NamedTuple):
    """A neighbour on the way up: whether it is the left one of the two."""

    sibling: bytes
    left: bool


def path(hashes: Sequence[bytes], place: int) -> list[Step]:
    """The way from one of `hashes`, counted from 0, to the root of the tree over them."""
    steps = []
    level = list(hashes)
    while len(level) > 1:
        neighbour = place ^ 1
        if neighbour < len(level):  # an odd last one goes up unchanged
            steps.append(Step(level[neighbour], left=neighbour < place))
        odd = [level[-1]] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level += odd
        place //= 2
    return steps
