"""The ticket root, worked out one hash at a time from the description in docs/fairness.md and from nothing else."""

import hashlib
import uuid
from collections.abc import Sequence

from tests.model.settlement import BoughtTicket

MARKETS = {"WIN": 1, "PLACE": 2}


def encoded(ticket: BoughtTicket, round_id: int) -> bytes:
    """The bytes of a ticket that its leaf is the hash of."""
    words = [uuid.UUID(ticket.ticket_id).bytes, uuid.UUID(ticket.account_id).bytes]
    words.append(round_id.to_bytes(8, "big"))
    words.append(len(ticket.lines).to_bytes(2, "big"))
    for line in ticket.lines:
        words.append(bytes([MARKETS[line.market], len(line.runners), *line.runners]))
        words.append(line.stake_minor.to_bytes(8, "big"))
        words.append(line.price_hundredths.to_bytes(4, "big"))
    return b"".join(words)


def tree(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes; the left part is the largest power of two that leaves something for the right."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    left = 1
    while left * 2 < len(hashes):
        left = left * 2
    return hashlib.sha256(b"\x01" + tree(hashes[:left]) + tree(hashes[left:])).digest()


def tickets_root(batches: Sequence[Sequence[BoughtTicket]], round_id: int) -> str:
    """The root in hex over the batches in which the tickets were committed."""
    leaves = [[hashlib.sha256(b"\x00" + encoded(ticket, round_id)).digest() for ticket in batch] for batch in batches]
    return tree([tree(batch) for batch in leaves]).hex()
