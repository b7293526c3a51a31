"""The draw "furlong/draw/v1": the finishing order from a secret seed and what was fixed before the seed was used.

Byte by byte:

    commitment   SHA-256(server_seed), 32 bytes each; published before the first ticket
    key          HMAC-SHA256(key = server_seed,
                             message = ASCII "furlong/draw/v1|<track>|<round_id>|<beacon>|<tickets_root>")
                 round_id in decimal, beacon and tickets_root in lower-case hex, beacon empty where there is none
    block i      HMAC-SHA256(key = key, message = i as 8 bytes big-endian), i = 0, 1, 2, ...
    words        each block is four unsigned 64-bit numbers, big-endian, used in order and each at most once
    below W      take the next word x; while x >= floor(2^64 / W) * W take another; the value is x mod W
    one place    runners stand in the order of their numbers; the first whose cumulative weight exceeds a value below
                 the sum of the weights takes the place and leaves; the last one left needs no value

Every value below W has the same number of words, so the bias is exactly zero, and drawing without replacement gives
each runner exactly the chance that its price was made from.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.game.domain.card import Runner

ALGORITHM: Final = "furlong/draw/v1"
SEED_BYTES: Final = 32
WORD_BYTES: Final = 8
WORD_VALUES: Final = 2**64


def commitment(server_seed: bytes) -> bytes:
    """Give what is published of a seed before it is used, 32 bytes."""
    assert len(server_seed) == SEED_BYTES, f"a seed has {SEED_BYTES} bytes, not {len(server_seed)}"
    return hashlib.sha256(server_seed).digest()


def draw(
    *, server_seed: bytes, track: str, round_id: int, beacon: str, tickets_root: str, runners: Iterable[Runner]
) -> tuple[int, ...]:
    """Draw the finishing order of a field: runners' numbers, first to last."""
    assert tickets_root, "the draw's input does not exist before the lock"
    key = draw_key(server_seed=server_seed, track=track, round_id=round_id, beacon=beacon, tickets_root=tickets_root)
    return finishing_order(runners, words(key))


def draw_key(*, server_seed: bytes, track: str, round_id: int, beacon: str, tickets_root: str) -> bytes:
    """Bind the seed to the round, the beacon and the tickets, 32 bytes."""
    message = f"{ALGORITHM}|{track}|{round_id}|{beacon}|{tickets_root}"
    return hmac.digest(server_seed, message.encode("ascii"), "sha256")


def words(key: bytes) -> Iterator[int]:
    """Give the stream of 64-bit numbers under a key; it does not end."""
    counter = 0
    while True:
        block = hmac.digest(key, counter.to_bytes(WORD_BYTES, "big"), "sha256")
        for start in range(0, len(block), WORD_BYTES):
            yield int.from_bytes(block[start : start + WORD_BYTES], "big")
        counter += 1


def below(total: int, numbers: Iterator[int]) -> int:
    """Give a value of 0 to `total` - 1, each from equally many words."""
    usable = WORD_VALUES - WORD_VALUES % total
    for number in numbers:
        if number < usable:
            return number % total
    raise AssertionError("a stream of words does not end")


def finishing_order(runners: Iterable[Runner], numbers: Iterator[int]) -> tuple[int, ...]:
    """Give one place after another to the runners that are left, by their weights."""
    left = sorted(runners, key=lambda runner: runner.runner)
    order = []
    while len(left) > 1:
        value = below(sum(runner.weight for runner in left), numbers)
        order.append(left.pop(_chosen(left, value)).runner)
    return (*order, left[0].runner)


def _chosen(left: Sequence[Runner], value: int) -> int:
    for place, runner in enumerate(left):
        value -= runner.weight
        if value < 0:
            return place
    raise AssertionError("a value below the sum of the weights chooses a runner")
