"""The four traces that are made: the same in every run, on every machine (see README.md).

Only `random.Random` with a seed and `random()` and `randrange()` of it are used, whose numbers Python keeps; `DIGESTS`
in the tests says what must come out.
"""

import random
from array import array
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

from benchmarks.traces.trace import Trace

REQUESTS = 200_000
WEIGHTS = (620, 680, 760, 760, 900, 1_200, 2_000, 4_500)
"""Bytes of an entry, chosen by its key: mostly small, as tracks, rounds and pages of them are."""
MIB = 1024 * 1024


def drift() -> Trace:
    """Zipf 0.9 over 40,000 keys; every 25 requests two of them change places, so that what is popular changes."""
    chance, draw = random.Random(1), _zipf(40_000, 0.9)
    keys = list(range(40_000))

    def request() -> int:
        return keys[draw(chance)]

    requests = array("L")
    while len(requests) < REQUESTS:
        one = chance.randrange(40_000) if chance.random() < 0.5 else draw(chance)
        other = chance.randrange(40_000)
        keys[one], keys[other] = keys[other], keys[one]
        requests.extend(request() for _ in range(25))
    return _trace("drift", requests, bounds=(MIB, 3 * MIB, 8 * MIB))


def scans() -> Trace:
    """Zipf 0.95 over 30,000 keys, and after every 6,000 requests a scan of 4,000 keys that nobody asks for again."""
    chance, draw = random.Random(2), _zipf(30_000, 0.95)
    requests = array("L")
    scanned = 1_000_000
    while len(requests) < REQUESTS:
        requests.extend(draw(chance) for _ in range(6_000))
        requests.extend(range(scanned, scanned + 4_000))
        scanned += 4_000
    return _trace("scans", requests, bounds=(MIB, 3 * MIB, 8 * MIB))


def loop() -> Trace:
    """3,000 keys in a loop, and after every tenth of them, on average, one of 200,000 others."""
    chance = random.Random(3)
    requests = array("L")
    for n in range(REQUESTS):
        requests.append(n % 3_000)
        if chance.random() < 0.1:
            requests.append(500_000 + chance.randrange(200_000))
    return _trace("loop", requests[:REQUESTS], bounds=(2 * MIB, 3 * MIB, 7 * MIB // 2))


def bursts() -> Trace:
    """Rounds of 2,500 requests: 60 % Zipf 1.1 over 3,000 keys that are new in each, the rest Zipf 0.8 over 60,000."""
    chance, of_round, of_all = random.Random(4), _zipf(3_000, 1.1), _zipf(60_000, 0.8)
    requests = array("L")
    for n in range(REQUESTS):
        begins = 1_000_000 + n // 2_500 * 3_000
        requests.append(begins + of_round(chance) if chance.random() < 0.6 else of_all(chance))
    return _trace("bursts", requests, bounds=(MIB, 3 * MIB, 8 * MIB))


def weight_of(key: int) -> int:
    """Bytes of a key that is made up."""
    return WEIGHTS[(key * 2_654_435_761 & 0xFFFFFFFF) >> 13 & 7]


def _zipf(keys: int, exponent: float) -> Callable[[random.Random], int]:
    """Draw the n-th key with a probability that falls with n to the power of `exponent`."""
    steps = list(accumulate(1 / n**exponent for n in range(1, keys + 1)))
    return lambda chance: bisect_left(steps, chance.random() * steps[-1])


def _trace(name: str, requests: "array[int]", *, bounds: tuple[int, ...]) -> Trace:
    return Trace(name=name, requests=requests, weights={key: weight_of(key) for key in requests}, bounds=bounds)
