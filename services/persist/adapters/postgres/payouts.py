"""What a ticket is paid, in SQL: the same as in `domain/payout.py`, with which a test holds it together.

`l` are lines, `w` the winners that a decision was made of, as `as_columns` brings them. Of a round without a greatest
payout and without withdrawn runners, which is nearly every one, PAYOUT is all that is computed.
"""

from collections.abc import Sequence
from typing import Final

from services.persist.domain.round import Winner

COLUMNS: Final = 5
"""How many parameters the winners of a decision are."""


def line_wins(winner: str = "w") -> str:
    """Write what a line wins: rounded down, because all factors are positive; 0 where its stake is given back."""
    return f"l.stake_minor * l.price_hundredths * {winner}.numerator / (100 * {winner}.denominator)"


def line_gets_back(winner: str = "w") -> str:
    """Write what a line gets back: its stake where the runner was withdrawn, else 0."""
    return f"l.stake_minor * {winner}.given_back"


PAYOUT: Final = f"sum({line_wins()})::bigint"
"""What a ticket is paid where nothing is given back and nothing cut off."""


def winners_from(first: int, name: str = "w") -> str:
    """Write the winners that the parameters from number `first` on bring, as a table."""
    kinds = ("smallint", "bytea", "bigint", "bigint", "bigint")
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(kinds, start=first))
    return f"unnest({arrays}) AS {name} (market, selection, numerator, denominator, given_back)"


def capped(wins_minor: str, back_minor: str, greatest_minor: str) -> str:
    """Write what is paid of a ticket's winnings and the stakes that it gets back.

    A null for `greatest_minor` is no cap. What is given back is the buyer's own money: no greatest payout cuts it off.
    """
    return f"(least({wins_minor}, {greatest_minor}) + {back_minor})::bigint"


def as_columns(winners: Sequence[Winner]) -> tuple[Sequence[object], ...]:
    """Winners as the columns that `winners_from` takes; of a stake that is given back no part wins."""
    return (
        [winner.market for winner in winners],
        [winner.selection for winner in winners],
        [0 if winner.refund else winner.numerator for winner in winners],
        [winner.denominator for winner in winners],
        [1 if winner.refund else 0 for winner in winners],
    )


def greatest(payout_max_minor: int) -> int | None:
    """Give a round's greatest payout as the statements take it."""
    return payout_max_minor or None


def is_plain(winners: Sequence[Winner], payout_max_minor: int) -> bool:
    """Tell whether PAYOUT is what every ticket is paid."""
    return payout_max_minor == 0 and not any(winner.refund for winner in winners)
