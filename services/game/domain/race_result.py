"""How a race ended: the order, the dead heats in it, and the runners that took no part.

    runner     finished           result   positions   withdrawn
    ─────────  ─────────────────  ───────  ──────────  ─────────
    4          first              4        1
    2 and 7    second, together   2, 7     2, 2
    1          fourth             1        4
    3          pulled up          3        0
    6          did not start                           6

Whoever runs a dead heat shares a position, and the places after it are left out. Runners that did not finish come last,
with 0, and have lost. Runners that were withdrawn are not in the result: what was bet on them is given back.
"""

from dataclasses import dataclass
from typing import Final

from services.game.domain.round import Round

DID_NOT_FINISH: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult:
    """A result; no positions stand for 1, 2, 3 and so on."""

    order: tuple[int, ...]
    positions: tuple[int, ...] = ()
    withdrawn: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a `field` of a result."""

    field: str
    description: str


def normal(result: RaceResult) -> RaceResult:
    """Give the one form of a result, so that two that say the same are equal."""
    plain = result.positions == tuple(range(1, len(result.order) + 1))
    return RaceResult(
        order=result.order,
        positions=() if plain else result.positions,
        withdrawn=tuple(sorted(result.withdrawn)),
    )


def fault(result: RaceResult, round_: Round) -> Fault | None:
    """Tell what of a result does not fit a round's runners; None where it fits."""
    field = {runner.runner for runner in round_.runners}
    if len(set(result.withdrawn)) < len(result.withdrawn) or not set(result.withdrawn) <= field:
        return Fault(field="withdrawn", description="are not runners of the round, each once")
    if sorted(result.order) != sorted(field - set(result.withdrawn)):
        return Fault(field="result", description="is not an order of the round's runners that took part")
    if result.positions and len(result.positions) != len(result.order):
        return Fault(field="positions", description="are not as many as the runners of the result")
    if result.positions and not _rank(result.positions):
        description = "do not count from 1, with the places after a dead heat left out, and 0 at the end"
        return Fault(field="positions", description=description)
    return None


def _rank(positions: tuple[int, ...]) -> bool:
    """Tell whether positions are those of a race: 1, 1, 3, 0."""
    finished = len(positions) - positions.count(DID_NOT_FINISH)
    if not finished or any(positions[finished:]):
        return False
    before = 1
    for place, position in enumerate(positions[:finished], start=1):
        if position not in (place, before):
            return False
        before = position
    return True
