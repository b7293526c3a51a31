"""The pace of a round's lane: how large its next call may be, and how long it rests before it.

            rests ≤ GATHER_MS after a call           small calls       rests
     ────── that carried several callers ──────┬── in the last ms ──┬── OFF_REST_MS ──┬── too late, and told so ──▶
                                               locks_at - LAST_MS   locks_at: the off

The store decides by its own clock what is in time; nothing here refuses a ticket.
"""

from typing import Final

TICKETS_MAX: Final = 200
"""The most tickets in one call to the store: its commit is no larger."""

LAST_MS: Final = 150
LAST_TICKETS_MAX: Final = 50
"""The most tickets in a call that is sent so shortly before the off, for the lock waits for the commit under way."""

OFF_REST_MS: Final = 50
"""How long no call is sent after the off: the lock has the machine for itself. Whatever comes then is late already."""

GATHER_MS: Final = 10
GATHER_TICKETS: Final = 48
GATHER_CALLERS_MIN: Final = 4
"""A call costs the store and us as much as a dozen of its tickets. So when the one before it carried this many callers,
the next waits until so many tickets travel together, or for so long."""


class Pace:
    """The pace of one lane. `locks_at_ms` is the off, None where there is no such round."""

    def __init__(self, locks_at_ms: int | None) -> None:
        self._locks_at_ms = locks_at_ms
        self._gathers_until_s = 0.0

    def tickets_max(self, now_ms: int) -> int:
        """Tell how many tickets a call may have that is sent now."""
        if self._locks_at_ms is not None and 0 < self._locks_at_ms - now_ms <= LAST_MS:
            return LAST_TICKETS_MAX
        return TICKETS_MAX

    def ended(self, callers: int, now_s: float) -> None:
        """Take note that a call has ended that carried so many callers."""
        self._gathers_until_s = now_s + GATHER_MS / 1_000 if callers >= GATHER_CALLERS_MIN else 0.0

    def rest_s(self, now_ms: int, now_s: float, tickets: int) -> float:
        """Tell how long to wait before a call with these tickets is sent; 0 sends it now."""
        if self._locks_at_ms is not None and 0 <= now_ms - self._locks_at_ms < OFF_REST_MS:
            return (self._locks_at_ms + OFF_REST_MS - now_ms) / 1_000
        if tickets >= GATHER_TICKETS:
            return 0.0
        return max(self._gathers_until_s - now_s, 0.0)
