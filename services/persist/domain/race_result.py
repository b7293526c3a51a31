"""How a race ended: the order, the dead heats in it, and the runners that took no part.

`positions` go with the order as in a result sheet. Runners that share one have run a dead heat, and the places after it
are left out: 1, 1, 3. Runners that did not finish come last, with 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.persist.domain.round import Round

DID_NOT_FINISH: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult:
    """A result; no positions stand for 1, 2, 3 and so on. `withdrawn` runners are not in the order."""

    order: Sequence[int]
    positions: Sequence[int] = ()
    withdrawn: Sequence[int] = ()


def result_of(stored: Round) -> RaceResult:
    """The result that a round has."""
    return RaceResult(order=stored.result, positions=stored.positions, withdrawn=stored.withdrawn)


def normal(result: RaceResult) -> RaceResult:
    """The one form of a result, so that two that say the same are equal."""
    plain = list(result.positions) == list(range(1, len(result.order) + 1))
    return RaceResult(
        order=tuple(result.order),
        positions=() if plain else tuple(result.positions),
        withdrawn=tuple(sorted(result.withdrawn)),
    )


def fault(result: RaceResult, runners: Sequence[int]) -> tuple[str, str] | None:
    """The field of a result that does not fit a field of `runners`, and what is wrong; None where it fits."""
    if len(set(result.withdrawn)) < len(result.withdrawn) or not set(result.withdrawn) <= set(runners):
        return "withdrawn", "are not runners of the round, each once"
    if sorted(result.order) != sorted(set(runners) - set(result.withdrawn)):
        return "result", "is not an order of the round's runners that took part"
    if result.positions and len(result.positions) != len(result.order):
        return "positions", "are not as many as the runners of the result"
    if result.positions and not _rank(result.positions):
        return "positions", "do not count from 1, with the places after a dead heat left out, and 0 at the end"
    return None


def _rank(positions: Sequence[int]) -> bool:
    """Tell whether positions are those of a race: 1, 1, 3, 0."""
    finished = len(positions) - list(positions).count(DID_NOT_FINISH)
    if not finished or any(positions[finished:]):
        return False
    before = 1
    for place, position in enumerate(positions[:finished], start=1):
        if position not in (place, before):
            return False
        before = position
    return True
