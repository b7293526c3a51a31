"""The recorded trace: what persist asked the cache for while rounds were run, watched, bet on and looked up.

The file is compressed by xz. In it are unsigned numbers, seven bits a byte, the lowest first, the eighth bit set on all
but the last byte of each: how many keys there are, the bytes that each weighs, and then the requests, each as how many
other keys were asked for since the last request of the same key, plus one, or 0 for the next key that is new.
"""

import lzma
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.traces.trace import Trace

FILE = Path(__file__).with_name("rounds.trace.xz")
KIB = 1024
BOUNDS = (128 * KIB, 512 * KIB, 2048 * KIB)


def rounds(file: Path = FILE) -> Trace:
    """Read a recording, the committed one if no other is named."""
    numbers = _numbers(lzma.decompress(file.read_bytes()))
    weights = {key: next(numbers) for key in range(next(numbers))}
    return Trace(name="rounds", requests=_requests(numbers), weights=weights, bounds=BOUNDS)


def write(file: Path, requests: Sequence[int], weights: Mapping[int, int]) -> None:
    """Write a recording; keys are numbered anew in the order in which they are first asked for."""
    stack: list[int] = []  # the key asked for last is at the end
    names: list[int] = []
    steps: list[int] = []
    for key in requests:
        if key in stack:
            at = len(stack) - stack[::-1].index(key) - 1
            steps.append(len(stack) - at)
            del stack[at]
        else:
            steps.append(0)
            names.append(key)
        stack.append(key)
    numbers = [len(names), *(weights[key] for key in names), *steps]
    file.write_bytes(lzma.compress(b"".join(map(_encoded, numbers)), preset=9 | lzma.PRESET_EXTREME))


def _requests(steps: Iterator[int]) -> "array[int]":
    requests = array("L")
    stack: list[int] = []
    new = 0
    for step in steps:
        if step:
            key = stack.pop(-step)
        else:
            key = new
            new += 1
        stack.append(key)
        requests.append(key)
    return requests


def _encoded(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _numbers(encoded: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
