"""TrackService: shows tracks to everybody and lets operators run them."""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from furlong.client.deadline import budget_s
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.round_pb2 import Track as TrackMessage
from furlong.game.v1 import track_service_pb2 as pb
from furlong.game.v1.track_service_pb2_grpc import TrackServiceServicer

from services.chassis import principal
from services.chassis.freshness import tell
from services.chassis.refusal import Refusal, Violation
from services.game.domain.card import RaceCard
from services.game.domain.order import Market
from services.game.domain.prices import too_strong
from services.game.domain.round import Round, StoredRound
from services.game.domain.track import DEFAULT_LIMITS, DEFAULT_RETURN_BPS, DEFAULT_TIMETABLE, Track, TrackState
from services.game.domain.winners import winners
from services.game.engine.broadcast.hub import Hub
from services.game.engine.price_board import PriceBoard
from services.game.engine.tracks import Tracks
from services.game.ports import Price, RoundDecisions, TrackStore
from services.game.service.paging import page_size
from services.game.wire import card_of, limits_of, program_of, round_to, timetable_of, track_to

TRACKS_ON_A_PAGE_MAX: Final = 100
OPERATOR_EPOCH: Final = 0
"""Stands for no lease: an operator voids whoever leads the track."""
POSTING_S_MAX: Final = 10.0
POSTING_MARGIN_S: Final = 2.0
"""What an operator's call has in all, and what moving money leaves of it for its last step and the way back."""

_log = structlog.get_logger(__name__)


class TrackService(TrackServiceServicer):
    """Keeps tracks in the store, and wakes whoever looks after them."""

    def __init__(
        self, *, store: TrackStore, rounds: RoundDecisions, board: PriceBoard, tracks: Tracks, hub: Hub
    ) -> None:
        self._store = store
        self._board = board
        self._rounds = rounds
        self._tracks = tracks
        self._hub = hub

    async def ListTracks(self, request: pb.ListTracksRequest, context: Any) -> pb.ListTracksResponse:
        """Read all tracks by name."""
        size = page_size(request.page_size, default=TRACKS_ON_A_PAGE_MAX, most=TRACKS_ON_A_PAGE_MAX)
        page = await self._store.tracks(size, request.page_token)
        await tell(context)
        return pb.ListTracksResponse(
            tracks=[track_to(track) for track in page.items], next_page_token=page.next_page_token
        )

    async def GetTrack(self, request: pb.GetTrackRequest, context: Any) -> pb.GetTrackResponse:
        """Read one track."""
        track = await self._store.track(request.track)
        await tell(context)
        return pb.GetTrackResponse(track=track_to(track))

    async def CreateTrack(self, request: pb.CreateTrackRequest, context: Any) -> pb.CreateTrackResponse:
        """Make a track, with the defaults where it leaves something open."""
        track = await self._store.create_track(request_id=request.request_id, track=_with_defaults(request.track))
        self._tracks.wake(track.track)
        return pb.CreateTrackResponse(track=track_to(track))

    async def ImportRaceCards(self, request: pb.ImportRaceCardsRequest, context: Any) -> pb.ImportRaceCardsResponse:
        """Add race cards to a track; all are taken or none."""
        track = await self._store.track(request.track)
        cards = [card_of(card) for card in request.cards]
        _refuse_too_strong(cards, track)
        added, replaced = await self._store.put_cards(request_id=request.request_id, track=request.track, cards=cards)
        self._tracks.wake(request.track)
        return pb.ImportRaceCardsResponse(cards_added=added, cards_replaced=replaced)

    async def VoidRound(self, request: pb.VoidRoundRequest, context: Any) -> pb.VoidRoundResponse:
        """Give every stake of a round back."""
        stored = await self._rounds.void_round(
            request_id=request.request_id,
            round_id=request.round_id,
            epoch=OPERATOR_EPOCH,
            reason=request.reason,
            actor=principal.current().subject,
        )
        self._tell(stored.round)
        return pb.VoidRoundResponse(round=round_to((await self._posted(stored)).round))

    async def PauseTrack(self, request: pb.PauseTrackRequest, context: Any) -> pb.PauseTrackResponse:
        """Let the round in progress end and open no other."""
        return pb.PauseTrackResponse(track=await self._set_state(request, TrackState.PAUSED))

    async def ResumeTrack(self, request: pb.ResumeTrackRequest, context: Any) -> pb.ResumeTrackResponse:
        """Let a paused or suspended track go on."""
        return pb.ResumeTrackResponse(track=await self._set_state(request, TrackState.RUNNING))

    async def SuspendTrack(self, request: pb.SuspendTrackRequest, context: Any) -> pb.SuspendTrackResponse:
        """Stop the sale of tickets at once."""
        return pb.SuspendTrackResponse(track=await self._set_state(request, TrackState.SUSPENDED))

    async def CorrectResult(self, request: pb.CorrectResultRequest, context: Any) -> pb.CorrectResultResponse:
        """Put the result of a settled round right."""
        result = tuple(request.result)
        stored = await self._rounds.correct_result(
            request_id=request.request_id,
            round_id=request.round_id,
            result=result,
            winners=winners(result),
            reason=request.reason,
            actor=principal.current().subject,
        )
        self._tell(stored.round)
        return pb.CorrectResultResponse(round=round_to((await self._posted(stored)).round))

    async def SetPrices(self, request: pb.SetPricesRequest, context: Any) -> pb.SetPricesResponse:
        """Move prices of a round whose result will be entered."""
        round_ = await self._board.set_prices(
            request_id=request.request_id,
            round_id=request.round_id,
            prices=[
                Price(market=Market(price.market), runner=price.runner, price_hundredths=price.price_hundredths)
                for price in request.prices
            ],
            reason=request.reason,
            actor=principal.current().subject,
        )
        return pb.SetPricesResponse(round=round_to(round_))

    def _tell(self, round_: Round) -> None:
        """Tell of a transition that was made by hand. The track's keeper wakes, and sees to the money if we cannot."""
        self._hub.hint(round_)
        self._tracks.wake(round_.track)

    async def _posted(self, stored: StoredRound) -> StoredRound:
        """Move the money of a decision as far as the caller's time goes; the rest is the keeper's."""
        try:
            while stored.posting and budget_s(POSTING_S_MAX) > POSTING_MARGIN_S:
                stored = await self._rounds.post_settlement(stored.round.round_id)
        except Refusal as refusal:
            _log.warning("money left to the keeper", round_id=stored.round.round_id, refusal=str(refusal))
        return stored

    async def _set_state(
        self, request: pb.PauseTrackRequest | pb.ResumeTrackRequest | pb.SuspendTrackRequest, state: TrackState
    ) -> TrackMessage:
        track = await self._store.set_state(
            request_id=request.request_id,
            track=request.track,
            state=state,
            reason=request.reason,
            actor=principal.current().subject,
        )
        self._tracks.wake(request.track)
        return track_to(track)


def _with_defaults(track: TrackMessage) -> Track:
    return Track(
        track=track.track,
        display_name=track.display_name,
        currency=track.currency,
        timetable=timetable_of(track.timetable) if track.HasField("timetable") else DEFAULT_TIMETABLE,
        limits=limits_of(track.limits) if track.HasField("limits") else DEFAULT_LIMITS,
        return_bps=track.return_bps or DEFAULT_RETURN_BPS,
        program=program_of(track.program),
    )


def _refuse_too_strong(cards: Sequence[RaceCard], track: Track) -> None:
    """Refuse cards with a runner that no price above its stake can be made for at the track's return."""
    violations = [
        Violation(
            field=f"cards[{place}].runners",
            description=f"{card.name}: runner {runner} is so strong that its price would be below 1.01"
            f" at a return of {track.return_bps} basis points",
        )
        for place, card in enumerate(cards)
        for runner in too_strong(card.runners, track.return_bps)
    ]
    if violations:
        raise Refusal(Reason.MALFORMED, violations[0].description, violations=violations)
