"""How long to wait before something that failed is tried again: longer each time, up to a bound."""

from typing import Final

BACKOFF_FIRST_MS: Final = 100
BACKOFF_MAX_MS: Final = 1_000


def backoff_ms(attempt: int) -> int:
    """Give the wait after the `attempt`-th failure, counted from 0, in milliseconds."""
    return min(BACKOFF_FIRST_MS << min(attempt, 8), BACKOFF_MAX_MS)
