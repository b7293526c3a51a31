"""W-TinyLFU with a window that adapts, as Caffeine does it (Einziger et al., TOS 2017 and Middleware 2018), in bytes.

A window in the order of use, main in two segments, and between them a duel: what leaves the window stays only if it was
asked for more often than main's next victim. A hill climber moves the window's share by whether the hit ratio rose.
"""

import random
from collections import OrderedDict

from benchmarks.peers.policies.sketch import REQUESTS_PER_KEY, Sketch

WINDOW_SHARE = 0.01
WINDOW_SHARE_MIN, WINDOW_SHARE_MAX = 0.005, 0.8
PROTECTED_SHARE = 0.8
STEP_SHARE = 0.0625
STEP_DECAY = 0.98
RESTART_AT = 0.05
"""A change of the hit ratio as large as this means another workload: the climber takes its full step again."""
WARM_AT = 6
"""A loser that was asked for this often wins now and then all the same, against those who know how duels go."""
WARM_ODDS_LOG2 = 7


class WTinyLfu:
    """Window, probation and protected, each in the order of use."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._window_bytes_max = WINDOW_SHARE * bytes_max
        self._window: OrderedDict[int, int] = OrderedDict()
        self._probation: OrderedDict[int, int] = OrderedDict()
        self._protected: OrderedDict[int, int] = OrderedDict()
        self._window_bytes = self._probation_bytes = self._protected_bytes = 0
        self._sketch = Sketch()
        self._chance = random.Random(7)
        self._step = -STEP_SHARE * bytes_max
        self._hits = self._requests = 0
        self._hit_ratio_before = 0.0

    def request(self, key: int, taken: int) -> bool:
        """See `Policy`."""
        self._sketch.count(key)
        hit = self._use(key)
        if not hit:
            self._window[key] = taken
            self._window_bytes += taken
            self._evict()
        self._hits += hit
        self._requests += 1
        keys = len(self._window) + len(self._probation) + len(self._protected)
        self._sketch.fit(keys)
        if self._requests >= REQUESTS_PER_KEY * keys and self._bytes > 0.9 * self._bytes_max:
            self._climb()
        return hit

    @property
    def _bytes(self) -> int:
        return self._window_bytes + self._probation_bytes + self._protected_bytes

    def _use(self, key: int) -> bool:
        if key in self._window:
            self._window.move_to_end(key)
        elif key in self._protected:
            self._protected.move_to_end(key)
        elif key in self._probation:
            taken = self._probation.pop(key)
            self._probation_bytes -= taken
            self._protected[key] = taken
            self._protected_bytes += taken
            self._demote()
        else:
            return False
        return True

    def _demote(self) -> None:
        while self._protected and self._protected_bytes > PROTECTED_SHARE * (self._bytes_max - self._window_bytes_max):
            self._into_probation(*self._out_of_protected())

    def _evict(self) -> None:
        newcomers = self._shrink_window()
        while self._bytes > self._bytes_max:
            if not self._probation:
                if self._protected:
                    self._into_probation(*self._out_of_protected())
                else:
                    self._window_bytes -= self._window.popitem(last=False)[1]
                continue
            victim = next(iter(self._probation))
            loser = victim
            if newcomers and (newcomers[0] == victim or not self._beats(newcomers[0], victim)):
                loser = newcomers.pop(0)
            self._probation_bytes -= self._probation.pop(loser)
            if loser in newcomers:
                newcomers.remove(loser)

    def _shrink_window(self) -> list[int]:
        left: list[int] = []
        while self._window and self._window_bytes > self._window_bytes_max:
            key, taken = self._window.popitem(last=False)
            self._window_bytes -= taken
            self._into_probation(key, taken)
            left.append(key)
        return left

    def _beats(self, newcomer: int, victim: int) -> bool:
        asked = self._sketch.estimate(newcomer)
        if asked > self._sketch.estimate(victim):
            return True
        return asked >= WARM_AT and not self._chance.getrandbits(WARM_ODDS_LOG2)

    def _climb(self) -> None:
        hit_ratio = self._hits / self._requests
        change = hit_ratio - self._hit_ratio_before
        move = self._step if change >= 0 else -self._step
        full = STEP_SHARE * self._bytes_max
        self._step = (full if move >= 0 else -full) if abs(change) >= RESTART_AT else STEP_DECAY * move
        self._hit_ratio_before = hit_ratio
        self._hits = self._requests = 0
        low, high = WINDOW_SHARE_MIN * self._bytes_max, WINDOW_SHARE_MAX * self._bytes_max
        self._window_bytes_max = min(max(self._window_bytes_max + move, low), high)
        self._demote()
        self._grow_window()
        self._shrink_window()

    def _grow_window(self) -> None:
        while self._probation:
            key, taken = next(iter(self._probation.items()))
            if self._window_bytes + taken > self._window_bytes_max:
                return
            del self._probation[key]
            self._probation_bytes -= taken
            self._window[key] = taken
            self._window_bytes += taken

    def _into_probation(self, key: int, taken: int) -> None:
        self._probation[key] = taken
        self._probation_bytes += taken

    def _out_of_protected(self) -> tuple[int, int]:
        key, taken = self._protected.popitem(last=False)
        self._protected_bytes -= taken
        return key, taken
