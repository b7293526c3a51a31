"""Settlements: what is decided on a round, once, and how its money is moved after it, chunk by chunk.

A decision is durable in one transaction: who is paid what, and the tickets where each chunk ends. Its posting moves the
money, each chunk in a transaction of its own and once. What it moves is a function of the decision and the tickets, so
it does not matter who posts, how often it was begun, or where it stopped.

    kind      when it is decided             what a chunk moves
    SETTLE    the race is over               escrow -> winners, the rest of the stakes escrow -> house (below 0: back)
    VOID      before the draw                escrow -> everybody, the stakes
    CORRECT   SETTLED, nothing left to post  what the wrong result paid -> escrow -> what the right one pays, the
                                             difference between escrow and house; see `domain/correction.py`

Cancelled tickets are in no chunk: their stakes went back before. A ticket bought at a till is paid into the prizes of
its currency, where it can be claimed; any other into the account that bought it.
"""

from enum import IntEnum
from typing import Final
from uuid import UUID

PAID_IN_CHUNK: Final = 300
"""How many tickets a chunk pays, on the average. Their accounts are locked while it is written, some 15 ms, which is
what a batch of the same accounts on another track waits for. Only who bets first after a calm may wait for three of
them, which are posted as one. Larger ones are hardly faster."""

CHUNK_TICKETS_MAX: Final = 10_000
"""Tickets of a chunk, however few of them are paid."""

_SETTLEMENT_NO_MAX: Final = 2**12 - 1


class DecisionKind(IntEnum):
    """What was decided. The numbers are stored and never reused."""

    SETTLE = 1
    VOID = 2
    CORRECT = 3


def chunk_tickets(tickets: int, tickets_paid: int) -> int:
    """How many tickets make a chunk, of a round on which `tickets_paid` of `tickets` are paid."""
    if tickets_paid == 0:
        return CHUNK_TICKETS_MAX
    return max(1, min(CHUNK_TICKETS_MAX, PAID_IN_CHUNK * tickets // tickets_paid))


def chunk_reference(round_id: int, settlement_no: int, chunk: int) -> str:
    """The reference of the one transfer between house and escrow that a chunk makes.

    A UUID of version 8: the first 48 bits are the round, the 12 after the version the settlement, the 62 after the
    variant the chunk.
    """
    assert settlement_no <= _SETTLEMENT_NO_MAX, f"round {round_id} was corrected {settlement_no} times"
    return str(UUID(int=round_id << 80 | 8 << 76 | settlement_no << 64 | 2 << 62 | chunk))
