"""TrackStoreService."""

import grpc
from furlong.persist.v1.track_store_service_pb2 import (
    CreateTrackRequest,
    CreateTrackResponse,
    GetNextRaceCardRequest,
    GetNextRaceCardResponse,
    GetTrackRequest,
    GetTrackResponse,
    ListTracksRequest,
    ListTracksResponse,
    PutRaceCardsRequest,
    PutRaceCardsResponse,
)
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceServicer

from services.persist.domain.track import Track
from services.persist.ports import Operation, Tracks
from services.persist.service import parse, render
from services.persist.service.operation import operation
from services.persist.service.paging import place_of, token_for

Context = grpc.aio.ServicerContext[object, object]


class TrackStore(TrackStoreServiceServicer):
    """Keeps tracks and their cards."""

    def __init__(self, *, tracks: Tracks) -> None:
        self._tracks = tracks

    async def CreateTrack(self, request: CreateTrackRequest, context: Context) -> CreateTrackResponse:
        """Make a track."""
        once: Operation[Track] = operation(request, lambda value: CreateTrackResponse(track=render.track(value)))
        return CreateTrackResponse.FromString(await self._tracks.create(once, parse.track(request.track)))

    async def GetTrack(self, request: GetTrackRequest, context: Context) -> GetTrackResponse:
        """Read one track."""
        return GetTrackResponse(track=render.track(await self._tracks.get(request.track)))

    async def ListTracks(self, request: ListTracksRequest, context: Context) -> ListTracksResponse:
        """Read a page of tracks."""
        tracks = await self._tracks.page(place_of(request.page_token) or "", request.page_size + 1)
        page = tracks[: request.page_size]
        return ListTracksResponse(
            tracks=[render.track(value) for value in page],
            next_page_token=token_for(page[-1].track) if len(tracks) > len(page) else "",
        )

    async def PutRaceCards(self, request: PutRaceCardsRequest, context: Context) -> PutRaceCardsResponse:
        """Add or replace cards."""
        once: Operation[tuple[int, int]] = operation(
            request, lambda counts: PutRaceCardsResponse(cards_added=counts[0], cards_replaced=counts[1])
        )
        cards = [parse.card(message) for message in request.cards]
        return PutRaceCardsResponse.FromString(await self._tracks.put_cards(once, request.track, cards))

    async def GetNextRaceCard(self, request: GetNextRaceCardRequest, context: Context) -> GetNextRaceCardResponse:
        """Read the card to run next."""
        return GetNextRaceCardResponse(card=render.card(await self._tracks.next_card(request.track)))
