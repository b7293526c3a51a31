"""Tracks and the cards that they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.persist.domain.round import Limits, Runner, Timetable


class TrackState(IntEnum):
    """Whether a track opens rounds and takes tickets, numbered as `furlong.common.v1.Track.State`."""

    RUNNING = 1
    """Opens the next round when the last one ends."""
    PAUSED = 2
    """Ends the round in progress, with its betting, and opens no other."""
    SUSPENDED = 3
    """Takes no tickets, ends the round in progress and opens no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A track with its settings; `program` is a message of `furlong.common.v1` that the store does not read."""

    track: str
    display_name: str
    currency: str
    state: TrackState
    timetable: Timetable
    limits: Limits
    return_bps: int
    program: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceCard:
    """A race that can be run any number of times; `card_id` is 0 on a card that is not stored yet."""

    card_id: int
    name: str
    distance_m: int
    runners: Sequence[Runner]
