"""Tracks and race cards, kept by persist."""

from collections.abc import Sequence

import grpc
from furlong.common.v1 import round_pb2, ticket_pb2
from furlong.persist.v1 import track_store_service_pb2 as pb
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceStub

from services.game.adapters.persist.answers import read, written
from services.game.adapters.persist.wire import chain_of
from services.game.domain.card import RaceCard
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.track import Part, Track, TrackChange, TrackState
from services.game.ports import Page
from services.game.wire import card_to, limits_to, program_to, timetable_to, track_of, track_to


class PersistTracks:
    """The port `TrackStore` over a channel to persist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._tracks = TrackStoreServiceStub(channel)

    async def create_track(self, *, request_id: str, track: Track) -> Track:
        """Make a track."""
        request = pb.CreateTrackRequest(request_id=request_id, track=track_to(track))
        return track_of((await written(self._tracks.CreateTrack(request), request_id)).track)

    async def track(self, track: str) -> Track:
        """Read a track."""
        return track_of((await read(self._tracks.GetTrack(pb.GetTrackRequest(track=track)))).track)

    async def tracks(self, page_size: int, page_token: str) -> Page[Track]:
        """Read all tracks by name."""
        request = pb.ListTracksRequest(page_size=page_size, page_token=page_token)
        answer = await read(self._tracks.ListTracks(request))
        return Page(items=[track_of(track) for track in answer.tracks], next_page_token=answer.next_page_token)

    async def seed_chains(self, track: str) -> Sequence[PublishedChain]:
        """Read the seed chains of a track."""
        answer = await read(self._tracks.ListSeedChains(pb.ListSeedChainsRequest(track=track)))
        return [chain_of(stored) for stored in answer.chains]

    async def put_cards(self, *, request_id: str, track: str, cards: Sequence[RaceCard]) -> tuple[int, int]:
        """Add cards, or replace those of the same name."""
        request = pb.PutRaceCardsRequest(request_id=request_id, track=track, cards=[card_to(card) for card in cards])
        answer = await written(self._tracks.PutRaceCards(request), request_id)
        return answer.cards_added, answer.cards_replaced

    async def set_state(self, *, request_id: str, track: str, state: TrackState, reason: str, actor: str) -> Track:
        """Let a track run, or stop it."""
        request = pb.SetTrackStateRequest(
            request_id=request_id,
            track=track,
            state=round_pb2.Track.State.ValueType(state),
            reason=reason,
            actor=actor,
        )
        return track_of((await written(self._tracks.SetTrackState(request), request_id)).track)

    async def update_track(self, *, request_id: str, track: str, change: TrackChange, reason: str, actor: str) -> Track:
        """Change settings of a track."""
        changed = round_pb2.Track(
            track=track,
            display_name=change.display_name or "",
            timetable=timetable_to(change.timetable) if change.timetable is not None else None,
            limits=limits_to(change.limits) if change.limits is not None else None,
            return_bps=change.return_bps or 0,
            program=program_to(change.program) if change.program is not None else None,
        )
        request = pb.UpdateTrackRequest(request_id=request_id, track=changed, reason=reason, actor=actor)
        return track_of((await written(self._tracks.UpdateTrack(request), request_id)).track)

    async def set_selling(
        self, *, request_id: str, track: str, part: Part, sells: bool, reason: str, actor: str
    ) -> Track:
        """Suspend a part of a track, or let it go on."""
        request = pb.SetSellingRequest(
            request_id=request_id,
            track=track,
            market=ticket_pb2.Line.Market.ValueType(part.market),
            runner=part.runner,
            terminal=part.terminal,
            sells=sells,
            reason=reason,
            actor=actor,
        )
        return track_of((await written(self._tracks.SetSelling(request), request_id)).track)
