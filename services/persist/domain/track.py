"""Tracks and the cards that they run."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from services.persist.domain.round import Limits, Runner, Timetable
from services.persist.domain.suspension import Suspension


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
    """A track with its settings; `program` is a message of `furlong.common.v1` that the store does not read.

    `suspended` are the parts of it that do not sell, runners of the open round among them.
    """

    track: str
    display_name: str
    currency: str
    state: TrackState
    timetable: Timetable
    limits: Limits
    return_bps: int
    program: bytes = b""
    suspended: Sequence[Suspension] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChange:
    """Settings of a track that are to change; None leaves one as it is."""

    track: str
    display_name: str | None
    timetable: Timetable | None
    limits: Limits | None
    return_bps: int | None
    program: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceCard:
    """A race that can be run any number of times; `card_id` is 0 on a card that is not stored yet."""

    card_id: int
    name: str
    distance_m: int
    runners: Sequence[Runner]
