"""How long a draw takes: a field of 20 runners, from the seed to the whole order.

    python -m benchmarks.draw

`draw_ms` has to stay below 1 ms. Beside it stand its physical limit, the HMACs alone that it cannot do without,
and what a seed costs to find in its chain: 500 hashes on average.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final

from benchmarks.report import Figure, Spread, last_line, table
from services.game.domain.card import Runner
from services.game.domain.draw import draw
from services.game.domain.seed_chain import STRIDE, hashed

RUNNERS: Final = 20
HMACS: Final = 1 + -(-(RUNNERS - 1) // 4)
"""The key and the blocks of the words, four in each, where none is thrown away."""
DRAWS: Final = 500
ROUNDS: Final = 7

SEED: Final = bytes(32)
FIELD: Final = tuple(Runner(runner=number, name="", weight=number * number) for number in range(1, RUNNERS + 1))


def measured_ms(work: Callable[[int], object]) -> Spread:
    """Processor time of one piece of work, in milliseconds."""
    values = []
    for _ in range(ROUNDS):
        begun_s = time.thread_time()
        for number in range(DRAWS):
            work(number)
        values.append((time.thread_time() - begun_s) * 1_000 / DRAWS)
    return Spread.of(values)


def _draw(number: int) -> object:
    root = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()
    return draw(server_seed=SEED, track="harbour-mile", round_id=number, beacon="", tickets_root=root, runners=FIELD)


def _hmacs(number: int) -> object:
    return [hmac.digest(SEED, number.to_bytes(8, "big"), "sha256") for _ in range(HMACS)]


def _seed(_: int) -> object:
    return hashed(SEED, STRIDE // 2)


def main() -> None:
    """Measure and print."""
    figures = [
        Figure(title=f"draw of {RUNNERS} runners", spread=measured_ms(_draw), key="draw_ms", unit="ms"),
        Figure(title="its HMACs alone", spread=measured_ms(_hmacs), key="draw_limit_ms", unit="ms"),
        Figure(title="a seed of a chain", spread=measured_ms(_seed), key="seed_ms", unit="ms"),
    ]
    print(table("draw", figures))
    print(last_line("draw", figures))


if __name__ == "__main__":
    main()
