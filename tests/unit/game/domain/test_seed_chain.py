"""The seeds of a chain lead to its published end, and to nothing else."""

from hashlib import sha256

import pytest

from services.game.domain.draw import commitment
from services.game.domain.seed_chain import STRIDE, ChainBroken, SeedChain, hashed, unrolled

LAST = b"the last seed of a chain, 32 by."


def made(length: int) -> SeedChain:
    chain = [step for step in unrolled(LAST, length) if step is not None]
    assert len(chain) == 1
    return chain[0]


def by_hand(length: int) -> list[bytes]:
    """All seeds, the anchor first, without any cleverness."""
    seeds = [LAST]
    for _ in range(length):
        seeds.append(sha256(seeds[-1]).digest())
    return seeds[::-1]


@pytest.mark.parametrize("length", [1, 2, STRIDE - 1, STRIDE, STRIDE + 1, 2 * STRIDE, 2 * STRIDE + 500])
def test_every_seed_is_the_one_that_hashing_from_the_last_gives(length: int) -> None:
    chain, seeds = made(length), by_hand(length)

    assert chain.anchor == seeds[0].hex()
    assert [chain.seed(index) for index in range(1, length + 1)] == seeds[1:]


def test_a_round_s_commitment_is_the_seed_of_the_round_before() -> None:
    chain = made(5)

    assert commitment(chain.seed(1)).hex() == chain.anchor
    for index in range(2, 6):
        assert commitment(chain.seed(index)) == chain.seed(index - 1)
        assert hashed(chain.seed(index), index).hex() == chain.anchor


def test_the_fixed_vector_of_the_documentation() -> None:
    chain = made(3)

    assert chain.anchor == "9edf97226292fed8885927f97ff0888e70d5656ec154e5a373350dafc2fa21f7"


@pytest.mark.parametrize(("length", "size"), [(0, 0), (1, 0), (1, 31), (1, 64), (STRIDE + 1, 32)])
def test_checkpoints_that_are_none_are_refused(length: int, size: int) -> None:
    with pytest.raises(ChainBroken):
        SeedChain(length=length, checkpoints=b"x" * size)


def test_a_chain_is_made_a_little_at_a_time() -> None:
    assert sum(step is None for step in unrolled(LAST, 10_000)) == 10
