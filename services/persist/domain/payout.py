"""What a line pays, and what a ticket is paid of it.

A ticket is paid the sum of what its lines win, at most its round's greatest payout, and on top of that the stakes of
its lines on withdrawn runners, which are the buyer's own money.
"""


def payout_minor(stake_minor: int, price_hundredths: int, numerator: int = 1, denominator: int = 1) -> int:
    """The payout of a winning line, stake included, rounded down to the minor unit.

    `numerator` over `denominator` is the part of the stake that wins: 1/1, or less in a dead heat.
    The settlement computes the same in SQL; a test holds the two together.
    """
    return stake_minor * price_hundredths * numerator // (100 * denominator)


def ticket_payout_minor(wins_minor: int, back_minor: int, payout_max_minor: int) -> int:
    """What a ticket is paid, out of what its lines win and the stakes that it gets back; 0 is no greatest payout."""
    return (min(wins_minor, payout_max_minor) if payout_max_minor else wins_minor) + back_minor
