"""Whether what is kept near may be trusted: only while every change is heard.

             HEARTBEAT                                  the stream ends, or a GAP, or another epoch
    DEAF ──────────────────▶ HEARING, a new session ──────────────────────────────────────────────▶ DEAF

1. A session is a time in which no change was missed. What was kept in one is worth nothing in the next.
2. While HEARING, silence for SILENCE_S is doubt: nothing is given out until something is heard again, and nothing is
   lost either, because the stream keeps the order.
"""

from typing import Final

SILENCE_S: Final = 1.0
"""How long entries are trusted without a word, in seconds. The service says something four times a second."""

LAG_S: Final = 1.0
"""How far one replica of the cache service may be behind another while it still answers, in seconds."""


class Trust:
    """What the watch knows and everything that is kept is judged by. Times are of the monotonic clock."""

    __slots__ = ("epoch", "heard_s", "session", "settled_s", "until_s")

    def __init__(self) -> None:
        self.session = 0
        self.epoch: str | None = None
        self.heard_s = 0.0
        self.settled_s = 0.0
        self.until_s = 0.0

    @property
    def is_hearing(self) -> bool:
        """Tell whether changes are heard, one after the other."""
        return self.epoch is not None

    def begin(self, epoch: str, now_s: float) -> None:
        """Begin a session. Answers of replicas are worth keeping once the slowest of them has caught up with it."""
        self.session += 1
        self.epoch = epoch
        self.settled_s = now_s + LAG_S
        self.hear(now_s)

    def hear(self, now_s: float) -> None:
        """Take note of a word: until now nothing was missed."""
        self.heard_s = now_s
        self.until_s = now_s + SILENCE_S

    def lose(self) -> None:
        """End the session."""
        self.session += 1
        self.epoch = None
        self.until_s = 0.0
