"""TrackStoreService."""

from functools import partial
from typing import Final

import grpc
from furlong.persist.v1.track_store_service_pb2 import (
    CreateSeedChainRequest,
    CreateSeedChainResponse,
    CreateTrackRequest,
    CreateTrackResponse,
    GetNextRaceCardRequest,
    GetNextRaceCardResponse,
    GetTrackRequest,
    GetTrackResponse,
    ListSeedChainsRequest,
    ListSeedChainsResponse,
    ListTracksRequest,
    ListTracksResponse,
    PutRaceCardsRequest,
    PutRaceCardsResponse,
    SetSellingRequest,
    SetSellingResponse,
    SetTrackStateRequest,
    SetTrackStateResponse,
    UpdateTrackRequest,
    UpdateTrackResponse,
)
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceServicer

from services.chassis.freshness import tell
from services.persist.domain.seed_chain import SeedChain
from services.persist.domain.shelf import TRACKS
from services.persist.domain.suspension import Part
from services.persist.domain.track import Track, TrackState
from services.persist.hot_reads import Answer, HotReads
from services.persist.ports import Operation, SeedChains, Tracks
from services.persist.service import parse, render
from services.persist.service.operation import operation
from services.persist.service.paging import place_of, token_for

Context = grpc.aio.ServicerContext[object, object]


RAW_ANSWERS: Final = frozenset(("GetTrack", "ListTracks"))
"""Methods that answer with bytes, as the cache keeps them."""


class TrackStore(TrackStoreServiceServicer):
    """Keeps tracks and their cards. Whatever changes a track has to end as CreateTrack does."""

    def __init__(self, *, tracks: Tracks, seed_chains: SeedChains, hot: HotReads) -> None:
        self._tracks = tracks
        self._seed_chains = seed_chains
        self._hot = hot

    async def CreateTrack(self, request: CreateTrackRequest, context: Context) -> CreateTrackResponse:
        """Make a track."""
        once: Operation[Track] = operation(request, lambda value: CreateTrackResponse(track=render.track(value)))
        try:
            return CreateTrackResponse.FromString(await self._tracks.create(once, parse.track(request.track)))
        finally:
            await self._hot.forget(TRACKS)  # however it ended: the commit may have been made

    async def SetTrackState(self, request: SetTrackStateRequest, context: Context) -> SetTrackStateResponse:
        """Pause, suspend or resume a track."""
        once: Operation[Track] = operation(request, lambda value: SetTrackStateResponse(track=render.track(value)))
        state = TrackState(request.state)
        try:
            return SetTrackStateResponse.FromString(
                await self._tracks.set_state(once, request.track, state, request.reason, request.actor)
            )
        finally:
            await self._hot.forget(TRACKS)  # however it ended: the commit may have been made

    async def UpdateTrack(self, request: UpdateTrackRequest, context: Context) -> UpdateTrackResponse:
        """Change settings of a track."""
        once: Operation[Track] = operation(request, lambda value: UpdateTrackResponse(track=render.track(value)))
        change = parse.track_change(request.track)
        try:
            return UpdateTrackResponse.FromString(
                await self._tracks.update(once, change, request.reason, request.actor)
            )
        finally:
            await self._hot.forget(TRACKS)  # however it ended: the commit may have been made

    async def SetSelling(self, request: SetSellingRequest, context: Context) -> SetSellingResponse:
        """Suspend a part of a track, or let it go on."""
        once: Operation[Track] = operation(request, lambda value: SetSellingResponse(track=render.track(value)))
        part = Part(market=request.market, runner=request.runner, terminal=request.terminal)
        try:
            return SetSellingResponse.FromString(
                await self._tracks.set_selling(once, request.track, part, request.sells, request.reason, request.actor)
            )
        finally:
            await self._hot.forget(TRACKS)  # however it ended: the commit may have been made

    async def GetTrack(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: GetTrackRequest, context: Context
    ) -> bytes:
        """Read one track."""
        wire = await self._hot.read(TRACKS, f"one/{request.track}", partial(self._track, request.track))
        await tell(context)
        return wire

    async def ListTracks(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: ListTracksRequest, context: Context
    ) -> bytes:
        """Read a page of tracks; the first one is hot."""
        after = place_of(request.page_token)
        if after is not None:
            return (await self._page(after, request.page_size)).wire
        page = partial(self._page, "", request.page_size)
        wire = await self._hot.read(TRACKS, f"first/{request.page_size}", page)
        await tell(context)
        return wire

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

    async def CreateSeedChain(self, request: CreateSeedChainRequest, context: Context) -> CreateSeedChainResponse:
        """Publish a track's next chain of seeds."""
        once: Operation[SeedChain] = operation(
            request, lambda value: CreateSeedChainResponse(stored=render.seed_chain(value))
        )
        created = await self._seed_chains.create(once, parse.chain_plan(request), request.epoch)
        return CreateSeedChainResponse.FromString(created)

    async def ListSeedChains(self, request: ListSeedChainsRequest, context: Context) -> ListSeedChainsResponse:
        """Read a track's chains of seeds."""
        chains = await self._seed_chains.all(request.track)
        return ListSeedChainsResponse(chains=[render.seed_chain(chain) for chain in chains])

    async def _track(self, track: str) -> Answer:
        response = GetTrackResponse(track=render.track(await self._tracks.get(track)))
        return Answer(wire=response.SerializeToString(), keep=True)

    async def _page(self, after: str, size: int) -> Answer:
        tracks = await self._tracks.page(after, size + 1)
        page = tracks[:size]
        response = ListTracksResponse(
            tracks=[render.track(value) for value in page],
            next_page_token=token_for(page[-1].track) if len(tracks) > len(page) else "",
        )
        return Answer(wire=response.SerializeToString(), keep=True)
