"""The proof: everything that a stranger needs to compute a round's result again."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from services.game.domain.beacon import BeaconChain, randomness
from services.game.domain.card import Runner
from services.game.domain.draw import ALGORITHM, commitment, draw
from services.game.domain.phase import WITH_SEED
from services.game.domain.round import StoredRound
from services.game.domain.track import Source


class Trust(IntEnum):
    """Whom a player has to trust. The numbers are those of the wire."""

    OPERATOR_TRUSTED = 1
    PUBLIC_BEACON = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The draw's inputs and what was announced; `draw` says how they belong together. Bytes are lower-case hex.

    Where the result was corrected afterwards, it is the one that was drawn and announced first: the draw proves that
    one and no other. The round itself tells that it was corrected, why, and to what.
    """

    round_id: int
    track: str
    algorithm: str
    trust: Trust
    commitment: str
    server_seed: str
    tickets_root: str
    beacon: str
    runners: tuple[Runner, ...]
    result: tuple[int, ...]
    seed_anchor: str
    seed_index: int
    locks_at_ms: int
    beacon_name: str = ""
    beacon_round: int = 0
    beacon_signature: str = ""
    beacon_chain: BeaconChain | None = None


def is_drawn(stored: StoredRound) -> bool:
    """Tell whether the round's result is drawn. One that is entered has no proof: nobody computed it."""
    return stored.round.terms.source is Source.DRAWN


def is_ready(stored: StoredRound) -> bool:
    """Tell whether the seed may be revealed: from the end of the race on, and never for a void round."""
    return stored.round.phase in WITH_SEED


def proof_of(stored: StoredRound, beacons: Mapping[str, BeaconChain]) -> Proof:
    """Give the proof of a round for which it is ready; `beacons` are those that are known, by their names."""
    round_ = stored.round
    terms = round_.terms
    assert is_ready(stored), f"round {round_.round_id} is {round_.phase.name}: its seed is still secret"
    assert commitment(stored.server_seed).hex() == round_.commitment, f"round {round_.round_id}: another seed is stored"
    return Proof(
        round_id=round_.round_id,
        track=round_.track,
        algorithm=ALGORITHM,
        trust=Trust.PUBLIC_BEACON if stored.beacon_signature else Trust.OPERATOR_TRUSTED,
        commitment=round_.commitment,
        server_seed=stored.server_seed.hex(),
        tickets_root=round_.tickets_root,
        beacon=randomness(stored.beacon_signature),
        runners=round_.runners,
        result=_announced(stored),
        seed_anchor=terms.seed_anchor,
        seed_index=terms.seed_index,
        locks_at_ms=round_.schedule.locks_at_ms,
        beacon_name=terms.beacon,
        beacon_round=terms.beacon_round,
        beacon_signature=stored.beacon_signature.hex(),
        beacon_chain=beacons.get(terms.beacon),
    )


def _announced(stored: StoredRound) -> tuple[int, ...]:
    """The result that was announced when the race started."""
    round_ = stored.round
    if not round_.correction_reason:
        return round_.result
    return draw(
        server_seed=stored.server_seed,
        track=round_.track,
        round_id=round_.round_id,
        beacon=randomness(stored.beacon_signature),
        tickets_root=round_.tickets_root,
        runners=round_.runners,
    )
