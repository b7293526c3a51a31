"""Large values are given back one by one, in a process of its own: what is set for one stays so to its end."""

import subprocess
import sys

LET_EVERY_SECOND_GO = """
import gc
from services.cache.allocator import MAPPED_BYTES, map_large_values

def resident_kib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS:"))

if {mapped}:
    map_large_values()
values = [bytes([n % 256]) * MAPPED_BYTES for n in range(1_000)]
full_kib = resident_kib()
del values[::2]
gc.collect()
print((full_kib - resident_kib()) * 1024 / (500 * MAPPED_BYTES))
"""


def given_back(*, mapped: bool) -> float:
    """The part of what has gone that is the system's again."""
    ended = subprocess.run(
        [sys.executable, "-c", LET_EVERY_SECOND_GO.format(mapped=mapped)], capture_output=True, text=True, check=True
    )
    return float(ended.stdout)


def test_a_large_value_that_goes_from_between_others_is_the_systems_again() -> None:
    assert given_back(mapped=True) > 0.9
    assert given_back(mapped=False) < 0.1, "the C library gives holes back by itself: this can go"
