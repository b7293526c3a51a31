"""Where each runner is while a race is on: a picture of the result, the same for everybody who draws it."""

import hashlib
import math
from collections.abc import Mapping, Sequence

PLACE_GAP = 0.03
"""How far behind each other two places finish, as a share of the course."""
SWAY_MAX = 0.08
SWAYS_MAX = 2.0


def positions(result: Sequence[int], round_id: int, share: float) -> Mapping[int, float]:
    """How far each runner has come, 0 to 1 of the course, when `share` of the race's time is over.

    In the end the winner is at 1 and the others behind it in the order of the result; before, they lead by turns.
    """
    share = min(max(share, 0.0), 1.0)
    return {runner: _position(place, round_id, runner, share) for place, runner in enumerate(result)}


def _position(place: int, round_id: int, runner: int, share: float) -> float:
    chance = hashlib.sha256(f"{round_id}/{runner}".encode()).digest()
    sways, phase = SWAYS_MAX * chance[0] / 255, math.tau * chance[1] / 255
    sway = SWAY_MAX * math.sin(math.tau * sways * share + phase) * share * (1 - share)
    return max((1 - PLACE_GAP * place) * share + sway, 0.0)
