"""The proof is there once the race is over, and lets a stranger compute the result again."""

from dataclasses import replace

import pytest

from services.game.domain.phase import Phase
from services.game.domain.proof import is_ready, proof_of
from tests.model import draw as model
from tests.rounds import SEED, stored_round


@pytest.mark.parametrize(
    ("phase", "ready"),
    [
        ("OPEN",     False),
        ("LOCKED",   False),
        ("RUNNING",  False),
        ("FINISHED", True),
        ("SETTLED",  True),
        ("VOID",     False),
    ],
)  # fmt: skip
def test_the_seed_is_revealed_when_the_race_is_over(phase: str, ready: bool) -> None:
    assert is_ready(stored_round(Phase[phase])) == ready


@pytest.mark.parametrize("phase", [Phase.FINISHED, Phase.SETTLED])
def test_a_stranger_computes_the_result_from_the_proof(phase: Phase) -> None:
    proof = proof_of(stored_round(phase))

    seed = bytes.fromhex(proof.server_seed)
    assert model.commitment(seed) == proof.commitment
    numbers = model.words(model.key(seed, proof.track, proof.round_id, proof.beacon, proof.tickets_root))
    weights = [(runner.runner, runner.weight) for runner in proof.runners]
    assert model.finishing_order(weights, numbers) == list(proof.result)
    assert proof.algorithm == model.ALGORITHM


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.LOCKED, Phase.RUNNING, Phase.VOID])
def test_a_proof_is_never_made_too_early(phase: Phase) -> None:
    with pytest.raises(AssertionError, match="still secret"):
        proof_of(stored_round(phase))


def test_a_seed_that_is_not_the_one_committed_to_proves_nothing() -> None:
    with pytest.raises(AssertionError, match="another seed"):
        proof_of(replace(stored_round(Phase.SETTLED), server_seed=b"x" * 32))


def test_a_stored_round_does_not_show_its_secrets() -> None:
    shown = repr(stored_round(Phase.SETTLED))

    assert SEED.hex() not in shown
    assert repr(SEED) not in shown
