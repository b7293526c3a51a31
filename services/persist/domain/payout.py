"""What a line pays."""


def payout_minor(stake_minor: int, price_hundredths: int, numerator: int = 1, denominator: int = 1) -> int:
    """The payout of a winning line, stake included, rounded down to the minor unit.

    `numerator` over `denominator` is the part of the stake that wins: 1/1, or less in a dead heat.
    The settlement computes the same in SQL; a test holds the two together.
    """
    return stake_minor * price_hundredths * numerator // (100 * denominator)
