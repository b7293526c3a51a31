"""Starts parts again that died, each after a delay that doubles while it keeps dying."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deploy.local.part import Part, PartFailed

DELAY_FIRST_S, DELAY_MAX_S = 0.2, 10.0
STABLE_S = 30.0
"""A part that ran for so long before it died begins with the first delay again."""


@dataclass(slots=True)
class _Watch:
    part: Part
    up_since_s: float
    delay_s: float = DELAY_FIRST_S
    start_at_s: float | None = None  # when it is to be started again; None while it is believed to run


class Supervisor:
    """Watches parts that should run. `say` is told when one died; `now_s` is a clock that only goes forward."""

    def __init__(
        self, parts: Iterable[Part], say: Callable[[str], None], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._watches = [_Watch(part=part, up_since_s=now_s()) for part in parts]
        self._say = say
        self._now_s = now_s

    def look(self) -> bool:
        """Look at every part once and start what is due; whether anything was started. Never waits for readiness."""
        started = [self._revive(watch) for watch in self._watches if watch.part.pid is None]
        return any(started)

    def _revive(self, watch: _Watch) -> bool:
        now_s = self._now_s()
        if watch.start_at_s is None:
            self._plan(watch, now_s)
        assert watch.start_at_s is not None
        if now_s < watch.start_at_s:
            return False
        watch.up_since_s, watch.start_at_s = now_s, None
        try:
            watch.part.start()
        except PartFailed as failed:  # it is down still, so the next look plans the next attempt
            self._say(str(failed))
        return True

    def _plan(self, watch: _Watch, now_s: float) -> None:
        if now_s - watch.up_since_s >= STABLE_S:
            watch.delay_s = DELAY_FIRST_S
        watch.start_at_s = now_s + watch.delay_s
        self._say(f"{watch.part.name} died; starting it again in {watch.delay_s:.1f} s")
        watch.delay_s = min(2 * watch.delay_s, DELAY_MAX_S)
