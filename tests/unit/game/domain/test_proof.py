"""The proof is there once the race is over, and lets a stranger compute the result again."""

from dataclasses import replace

import pytest

from services.game.domain.beacon import KNOWN, QUICKNET, randomness
from services.game.domain.draw import draw
from services.game.domain.phase import Phase
from services.game.domain.proof import Trust, is_drawn, is_ready, proof_of
from services.game.domain.round import Round, StoredRound, Terms
from services.game.domain.track import Source
from tests.model import draw as model
from tests.rounds import RUNNERS, SEED, TRACK, stored_round


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
    proof = proof_of(stored_round(phase), KNOWN)

    seed = bytes.fromhex(proof.server_seed)
    assert model.commitment(seed) == proof.commitment
    numbers = model.words(model.key(seed, proof.track, proof.round_id, proof.beacon, proof.tickets_root))
    weights = [(runner.runner, runner.weight) for runner in proof.runners]
    assert model.finishing_order(weights, numbers) == list(proof.result)
    assert proof.algorithm == model.ALGORITHM


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.LOCKED, Phase.RUNNING, Phase.VOID])
def test_a_proof_is_never_made_too_early(phase: Phase) -> None:
    with pytest.raises(AssertionError, match="still secret"):
        proof_of(stored_round(phase), KNOWN)


def test_a_seed_that_is_not_the_one_committed_to_proves_nothing() -> None:
    with pytest.raises(AssertionError, match="another seed"):
        proof_of(replace(stored_round(Phase.SETTLED), server_seed=b"x" * 32), KNOWN)


def test_a_stored_round_does_not_show_its_secrets() -> None:
    shown = repr(stored_round(Phase.SETTLED))

    assert SEED.hex() not in shown
    assert repr(SEED) not in shown


def by_beacon() -> StoredRound:
    """A settled round whose draw took a beacon in."""
    stored = stored_round(Phase.SETTLED)
    signature = b"a signature of forty-eight bytes, which nobody had"
    result = draw(
        server_seed=SEED,
        track=TRACK.track,
        round_id=stored.round.round_id,
        beacon=randomness(signature),
        tickets_root=stored.round.tickets_root,
        runners=RUNNERS,
    )
    terms = Terms(beacon="quicknet", beacon_round=9, beacon_wait_ms=5_000, seed_anchor="ab" * 32, seed_index=3)
    return replace(stored, round=replace(stored.round, terms=terms, result=result), beacon_signature=signature)


def test_a_proof_says_whom_to_trust_and_all_that_is_to_be_known_of_the_beacon() -> None:
    plain, by = proof_of(stored_round(Phase.SETTLED), KNOWN), proof_of(by_beacon(), KNOWN)

    assert (plain.trust, plain.beacon, plain.beacon_chain) == (Trust.OPERATOR_TRUSTED, "", None)
    assert (by.trust, by.beacon_name, by.beacon_round) == (Trust.PUBLIC_BEACON, "quicknet", 9)
    assert by.beacon_chain == QUICKNET
    assert by.beacon == randomness(bytes.fromhex(by.beacon_signature))
    assert (by.seed_anchor, by.seed_index) == ("ab" * 32, 3)


def test_the_proof_of_a_corrected_round_holds_what_was_drawn_with_its_beacon() -> None:
    stored = by_beacon()
    wrong: Round = replace(stored.round, result=stored.round.result[::-1], correction_reason="photo finish")

    assert proof_of(replace(stored, round=wrong), KNOWN).result == stored.round.result


def test_only_a_drawn_round_has_a_proof() -> None:
    stored = stored_round(Phase.SETTLED)
    entered = replace(stored, round=replace(stored.round, terms=Terms(source=Source.ENTERED)))

    assert (is_drawn(stored), is_drawn(entered)) == (True, False)
