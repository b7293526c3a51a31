"""S3-FIFO as its paper has it (Yang et al., SOSP 2023): a small queue, a main queue, ghosts; counted in bytes."""

from collections import OrderedDict
from dataclasses import dataclass

SMALL_SHARE = 0.1
USES_MAX = 3


@dataclass(slots=True)
class _Place:
    taken: int
    uses: int = 0


class S3Fifo:
    """One tenth of the bytes for newcomers, the rest for what was asked for twice."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._small_bytes_max = SMALL_SHARE * bytes_max
        self._ghost_bytes_max = bytes_max - self._small_bytes_max
        self._small: OrderedDict[int, _Place] = OrderedDict()
        self._main: OrderedDict[int, _Place] = OrderedDict()
        self._ghosts: OrderedDict[int, int] = OrderedDict()
        self._small_bytes = self._main_bytes = self._ghost_bytes = 0

    def request(self, key: int, taken: int) -> bool:
        """See `Policy`."""
        place = self._small.get(key) or self._main.get(key)
        if place is not None:
            place.uses = min(place.uses + 1, USES_MAX)
            return True
        while self._small_bytes + self._main_bytes + taken > self._bytes_max:
            self._evict()
        if key in self._ghosts:
            self._ghost_bytes -= self._ghosts.pop(key)
            self._into_main(key, _Place(taken))
        else:
            self._small[key] = _Place(taken)
            self._small_bytes += taken
        return False

    def _evict(self) -> None:
        if self._small_bytes < self._small_bytes_max and self._main:
            self._evict_main()
            return
        while self._small:
            key, place = self._small.popitem(last=False)
            self._small_bytes -= place.taken
            if place.uses == 0:
                self._remember(key, place.taken)
                return
            place.uses = 0
            self._into_main(key, place)
        self._evict_main()

    def _evict_main(self) -> None:
        while True:
            key, place = self._main.popitem(last=False)
            if place.uses == 0:
                self._main_bytes -= place.taken
                return
            place.uses -= 1
            self._main[key] = place

    def _into_main(self, key: int, place: _Place) -> None:
        self._main[key] = place
        self._main_bytes += place.taken

    def _remember(self, key: int, taken: int) -> None:
        self._ghosts[key] = taken
        self._ghost_bytes += taken
        while self._ghost_bytes > self._ghost_bytes_max:
            self._ghost_bytes -= self._ghosts.popitem(last=False)[1]
