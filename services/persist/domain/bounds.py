"""The bounds that keep every sum of money inside a signed 64-bit integer.

A line pays at most STAKE_MINOR_MAX * PRICE_HUNDREDTHS_MAX / 100 = 1e13, and the product on the way there, with the
numerator of a dead heat, is at most 4e16. A round takes tickets until their possible payouts add up to
ROUND_PAYOUT_MINOR_MAX; the batches that are decided at the same moment may overshoot it by some 1e17 each. The limit of
64 bits is 9.2e18.
"""

from typing import Final

STAKE_MINOR_MAX: Final = 10_000_000
"""The greatest stake of a line, in minor units."""

PRICE_HUNDREDTHS_MIN: Final = 101
"""The least price, 1.01: a winner gets more back than was staked."""

PRICE_HUNDREDTHS_MAX: Final = 100_000_000
"""The greatest price, 1,000,000.00."""

DEAD_HEAT_RUNNERS_MAX: Final = 40
"""The greatest denominator of the part of a stake that wins: no race has more runners."""

ROUND_PAYOUT_MINOR_MAX: Final = 1_000_000_000_000_000_000
"""The sum of what all accepted lines of a round would pay if every one of them won, in minor units."""

CREDIT_MINOR_MAX: Final = 1_000_000_000_000
"""The greatest single credit, payout or adjustment by hand, in minor units."""

LINES_MAX: Final = 20
"""Lines of a ticket."""

TICKETS_IN_CALL_MAX: Final = 500
"""Tickets of one AppendTickets."""
