"""A count-min sketch with ageing: how often keys were asked for lately, in four bytes a counter's place.

Counters stop at 15 and are halved after ten requests for each key that the cache holds, so that what was popular once
is not for ever. It doubles with the cache it serves; the estimates stay what they were.
"""

ROWS = 4
COUNT_MAX = 15
PLACES_PER_KEY = 4
REQUESTS_PER_KEY = 10
_BITS_MIN = 10
_WORD = (1 << 64) - 1
_HALVED = bytes(count >> 1 for count in range(256))


class Sketch:
    """Estimates, never below the truth but for the halving."""

    def __init__(self) -> None:
        self._bits = _BITS_MIN
        self._rows = [bytearray(1 << _BITS_MIN) for _ in range(ROWS)]
        self._counted = 0

    def count(self, key: int) -> None:
        """Count a request; only the lowest of the key's counters, which bounds what collisions add."""
        places = self._places(key)
        counts = [row[place] for row, place in zip(self._rows, places, strict=True)]
        lowest = min(counts)
        self._counted += 1
        if lowest == COUNT_MAX:
            return
        for row, place, count in zip(self._rows, places, counts, strict=True):
            if count == lowest:
                row[place] = count + 1

    def estimate(self, key: int) -> int:
        """Tell how often a key was asked for."""
        return min(row[place] for row, place in zip(self._rows, self._places(key), strict=True))

    def fit(self, keys: int) -> None:
        """Grow and age as a cache with so many keys needs it."""
        while 1 << self._bits < PLACES_PER_KEY * keys:
            self._rows = [row + row for row in self._rows]
            self._bits += 1
        if keys and self._counted >= REQUESTS_PER_KEY * keys:
            self._rows = [row.translate(_HALVED) for row in self._rows]
            self._counted //= 2

    def _places(self, key: int) -> tuple[int, int, int, int]:
        mask = (1 << self._bits) - 1
        one = key * 0x9E3779B97F4A7C15 & _WORD
        one ^= one >> 32
        two = one * 0xC2B2AE3D27D4EB4F & _WORD
        two ^= two >> 29
        return two & mask, (two >> 16 ^ one) & mask, two >> 32 & mask, (one >> 8 ^ two >> 40) & mask
