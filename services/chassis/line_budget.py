"""A bound on log lines, so that a flood of failures does not become a flood of writing."""

from services.chassis.clock import Clock

LINES_PER_S_MAX = 10


class LineBudget:
    """Lets a few lines of each kind pass per second and counts the others. There must be finitely many kinds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def spend(self, kind: tuple[str, str]) -> int | None:
        """Ask for one line: None means not now, a number tells how many were kept back since the last one."""
        now_s = self._clock.monotonic_s()
        window = self._windows.setdefault(kind, _Window(now_s))
        if now_s - window.since_s >= 1:
            window.since_s, window.lines = now_s, 0
        if window.lines >= LINES_PER_S_MAX:
            window.kept_back += 1
            return None
        window.lines += 1
        kept_back, window.kept_back = window.kept_back, 0
        return kept_back


class _Window:
    __slots__ = ("kept_back", "lines", "since_s")

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.lines = 0
        self.kept_back = 0
