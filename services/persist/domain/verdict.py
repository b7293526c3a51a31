"""The verdict on a ticket, in order of precedence."""

from enum import IntEnum


class Verdict(IntEnum):
    """Of all that is true of an order, the lowest number is its verdict; ACCEPTED means that none of the others is.

    The numbers are those of `furlong.common.v1.TicketResult.Verdict` and are stored; they are never reused. UNDECIDED
    is no answer: the order was judged by prices that have moved since, and has to be judged again.
    """

    UNDECIDED = 0
    ACCEPTED = 1
    REQUEST_ID_EXPIRED = 2
    REQUEST_ID_REUSED = 3
    ROUND_NOT_FOUND = 4
    BETTING_CLOSED = 5
    SUSPENDED = 6
    INVALID_SELECTION = 7
    PRICE_CHANGED = 8
    STAKE_BELOW_MIN = 9
    STAKE_ABOVE_MAX = 10
    LIABILITY_EXCEEDED = 11
    ACCOUNT_NOT_FOUND = 12
    ACCOUNT_BLOCKED = 13
    INSUFFICIENT_FUNDS = 14


UNSTORED = frozenset((Verdict.UNDECIDED, Verdict.REQUEST_ID_EXPIRED, Verdict.REQUEST_ID_REUSED))
"""Verdicts that leave no key behind: the first is none, the second is the same at any later time, the third judges
another order."""
