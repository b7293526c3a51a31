"""The two tracks that a new stack opens, through the public API as anybody with an operator's token would."""

import asyncio
from collections.abc import Sequence

from furlong.client import CallRefused, Furlong, connect
from furlong.client.cards import batches, read_cards, shipped_cards
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.round_pb2 import Timetable, Track

FIRST_TRACKS = (
    Track(track="harbour-mile", display_name="Harbour Mile", currency="EUR"),
    Track(
        track="city-sprint",
        display_name="City Sprint",
        currency="EUR",
        timetable=Timetable(betting_window_ms=20_000, lock_ms=1_000, race_ms=10_000, finish_ms=4_000),
    ),
)


def open_first_tracks(gateway: str, token: str) -> Sequence[str]:
    """Make the tracks that are missing and give them the shipped race cards; the names of all tracks there are.

    A deployment that has tracks of its own is left alone. An interrupted opening is completed by the next one.
    Raises FurlongError.
    """
    return asyncio.run(_open_first_tracks(gateway, token))


async def _open_first_tracks(gateway: str, token: str) -> Sequence[str]:
    async with connect(gateway, token=token) as furlong:
        known = {track.track for track in await furlong.tracks.list()}
        ours = {track.track for track in FIRST_TRACKS}
        if known <= ours:
            for track in FIRST_TRACKS:
                if track.track not in known:
                    await furlong.tracks.create(track)
                if not await _has_run(furlong, track.track):
                    await _import_shipped_cards(furlong, track.track)
            known |= ours
        return sorted(known)


async def _has_run(furlong: Furlong, track: str) -> bool:
    """Whether the track has opened a round, for which it needs a card."""
    try:
        await furlong.rounds.current(track)
    except CallRefused as refused:
        if refused.reason == Reason.Name(Reason.ROUND_UNKNOWN):
            return False
        raise
    return True


async def _import_shipped_cards(furlong: Furlong, track: str) -> None:
    for batch in batches(track, read_cards(shipped_cards()).cards):
        await furlong.tracks.import_race_cards(track, batch)
