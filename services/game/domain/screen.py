"""The screens, as the operators call them: what is shown in each phase."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from services.game.domain.phase import Phase


class Screen(IntEnum):
    """What a screen shows. The numbers are those of the wire; NOTHING is its zero."""

    NOTHING = 0
    GAME = 1
    MOVIE = 2
    FINISH = 3


SCREENS: Final[Mapping[Phase, Screen]] = MappingProxyType(
    {
        Phase.OPEN: Screen.GAME,
        Phase.LOCKED: Screen.GAME,
        Phase.RUNNING: Screen.MOVIE,
        Phase.FINISHED: Screen.FINISH,
        Phase.SETTLED: Screen.FINISH,
        Phase.VOID: Screen.NOTHING,
    }
)
"""The screen of every phase."""
