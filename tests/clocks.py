"""A clock that stands still until a test moves it."""


class ManualClock:
    """Tells the time that was set. Sleeping moves it on at once."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1_000

    async def sleep_until_ms(self, at_ms: int) -> None:
        self._now_ms = max(self._now_ms, at_ms)

    def advance_ms(self, ms: int) -> None:
        self._now_ms += ms
