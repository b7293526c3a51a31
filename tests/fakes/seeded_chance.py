"""Chance that is the same at every run."""

import random


class SeededChance:
    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)

    def bytes(self, n: int) -> bytes:
        return self._random.randbytes(n)
