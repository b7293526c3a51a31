"""A frame: what a watcher is sent, before it is encoded."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from services.game.domain.round import Round


class Kind(IntEnum):
    """Why a frame is sent. The numbers are those of the wire."""

    TRANSITION = 1
    UPDATE = 2
    TICK = 3
    GAP = 4
    OWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A round as of `made_at_ms`; every transition up to `transition_seq` is part of it.

    `watchers` and `terminals` are how many watch the track, as far as it is known.
    """

    kind: Kind
    round: Round
    transition_seq: int
    made_at_ms: int
    watchers: int = 0
    terminals: int = 0


Encode = Callable[[Frame], bytes]
"""Turns a frame into the bytes that all its receivers are sent."""
