"""TrackService: shows tracks to everybody and lets operators run them."""

from collections.abc import Sequence
from dataclasses import replace
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
from services.game.domain.phase import Phase
from services.game.domain.prices import too_strong
from services.game.domain.race_result import RaceResult, fault, normal
from services.game.domain.round import Round, StoredRound
from services.game.domain.track import (
    DEFAULT_LIMITS,
    DEFAULT_RETURN_BPS,
    DEFAULT_TIMETABLE,
    Part,
    Source,
    Track,
    TrackChange,
    TrackState,
)
from services.game.domain.winners import winners
from services.game.engine.beacons import NO_BEACONS, Beacons
from services.game.engine.broadcast.hub import Hub
from services.game.engine.price_board import PriceBoard
from services.game.engine.tracks import Tracks
from services.game.ports import Price, RoundsByHand, TrackStore
from services.game.service.paging import page_size
from services.game.wire import (
    card_of,
    chain_to,
    limits_of,
    ms_to,
    program_of,
    race_result_of,
    round_to,
    round_with_race_to,
    timetable_of,
    track_to,
)

TRACKS_ON_A_PAGE_MAX: Final = 100
OPERATOR_EPOCH: Final = 0
"""Stands for no lease: an operator voids whoever leads the track."""
BEACON_WINDOW_MS_MIN: Final = 2_000
"""The time of the lock is set before the round opens, and has to be still to come then."""
POSTING_S_MAX: Final = 10.0
POSTING_MARGIN_S: Final = 2.0
"""What an operator's call has in all, and what moving money leaves of it for its last step and the way back."""

_log = structlog.get_logger(__name__)


class TrackService(TrackServiceServicer):
    """Keeps tracks in the store, and wakes whoever looks after them."""

    def __init__(
        self,
        *,
        store: TrackStore,
        rounds: RoundsByHand,
        board: PriceBoard,
        tracks: Tracks,
        hub: Hub,
        beacons: Beacons = NO_BEACONS,
    ) -> None:
        self._store = store
        self._beacons = beacons
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

    async def ListSeedChains(self, request: pb.ListSeedChainsRequest, context: Any) -> pb.ListSeedChainsResponse:
        """Read the ends of a track's seed chains."""
        chains = await self._store.seed_chains(request.track)
        return pb.ListSeedChainsResponse(chains=[chain_to(chain) for chain in chains])

    async def ListPresence(self, request: pb.ListPresenceRequest, context: Any) -> pb.ListPresenceResponse:
        """Tell who watches a track, as far as this game knows."""
        presence = await self._hub.presence(request.track)
        return pb.ListPresenceResponse(
            watchers=presence.watchers,
            terminals=[
                pb.ListPresenceResponse.Terminal(
                    terminal=each.terminal, since=ms_to(each.since_ms), streams=each.streams
                )
                for each in presence.listed()
            ],
            moves=[
                pb.ListPresenceResponse.Move(
                    terminal=move.terminal,
                    kind=pb.ListPresenceResponse.Move.Kind.ValueType(move.way),
                    at=ms_to(move.at_ms),
                )
                for move in presence.moves()
            ],
        )

    async def CreateTrack(self, request: pb.CreateTrackRequest, context: Any) -> pb.CreateTrackResponse:
        """Make a track, with the defaults where it leaves something open."""
        asked = _with_defaults(request.track)
        _refuse_beacon(asked, self._beacons, "track.program.beacon")
        track = await self._store.create_track(request_id=request.request_id, track=asked)
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

    async def EnterResult(self, request: pb.EnterResultRequest, context: Any) -> pb.EnterResultResponse:
        """Store how a race ended that was run somewhere else, and start it here."""
        source = (await self._rounds.round(request.round_id)).round.terms.source
        if source is not Source.ENTERED:
            raise Refusal(
                Reason.RESULT_SOURCE,
                f"the result of round {request.round_id} is {source.name}: nobody enters it",
                metadata={"source": source.name},
            )
        stored = await self._rounds.enter_result(
            request_id=request.request_id,
            round_id=request.round_id,
            result=normal(race_result_of(request)),
            reason=request.reason,
            actor=principal.current().subject,
        )
        self._tell(stored.round)
        return pb.EnterResultResponse(round=round_with_race_to(stored.round))

    async def UpdateTrack(self, request: pb.UpdateTrackRequest, context: Any) -> pb.UpdateTrackResponse:
        """Change settings of a track, from its next round on."""
        change = _change_of(request)
        if change.program is not None or change.timetable is not None:
            changed = _changed(await self._store.track(request.track), change)
            _refuse_beacon(changed, self._beacons, "program.beacon")
        track = await self._store.update_track(
            request_id=request.request_id,
            track=request.track,
            change=change,
            reason=request.reason,
            actor=principal.current().subject,
        )
        self._tracks.wake(request.track)
        return pb.UpdateTrackResponse(track=track_to(track))

    async def SuspendSelling(self, request: pb.SuspendSellingRequest, context: Any) -> pb.SuspendSellingResponse:
        """Stop the sale of a part of a track at once."""
        return pb.SuspendSellingResponse(track=await self._set_selling(request, sells=False))

    async def ResumeSelling(self, request: pb.ResumeSellingRequest, context: Any) -> pb.ResumeSellingResponse:
        """Let a part of a track go on."""
        return pb.ResumeSellingResponse(track=await self._set_selling(request, sells=True))

    async def CorrectResult(self, request: pb.CorrectResultRequest, context: Any) -> pb.CorrectResultResponse:
        """Put the result of a settled round right."""
        result = normal(race_result_of(request))
        settled = (await self._rounds.round(request.round_id)).round
        stored = await self._rounds.correct_result(
            request_id=request.request_id,
            round_id=request.round_id,
            result=result,
            winners=winners(_corrected(settled, result)),
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

    async def _set_selling(
        self, request: pb.SuspendSellingRequest | pb.ResumeSellingRequest, *, sells: bool
    ) -> TrackMessage:
        track = await self._store.set_selling(
            request_id=request.request_id,
            track=request.track,
            part=Part(market=request.market, runner=request.runner, terminal=request.terminal),
            sells=sells,
            reason=request.reason,
            actor=principal.current().subject,
        )
        return track_to(track)


def _change_of(request: pb.UpdateTrackRequest) -> TrackChange:
    return TrackChange(
        display_name=request.display_name or None,
        timetable=timetable_of(request.timetable) if request.HasField("timetable") else None,
        limits=limits_of(request.limits) if request.HasField("limits") else None,
        return_bps=request.return_bps or None,
        program=program_of(request.program) if request.HasField("program") else None,
    )


def _changed(track: Track, change: TrackChange) -> Track:
    """A track with what changes of how it makes its rounds."""
    return replace(track, program=change.program or track.program, timetable=change.timetable or track.timetable)


def _corrected(settled: Round, result: RaceResult) -> Round:
    """A settled round with another result. Raises Refusal for any other round, and for what is no result of it."""
    if settled.phase is not Phase.SETTLED:
        message = f"round {settled.round_id} is {settled.phase.name}, not SETTLED"
        raise Refusal(Reason.ROUND_PHASE, message, metadata={"round_id": str(settled.round_id)})
    wrong = fault(result, settled)
    if wrong is not None:
        violation = Violation(field=wrong.field, description=wrong.description)
        raise Refusal(Reason.MALFORMED, f"{wrong.field} {wrong.description}", violations=[violation])
    return replace(settled, result=result.order, positions=result.positions, withdrawn=result.withdrawn)


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


def _refuse_beacon(track: Track, beacons: Beacons, field: str) -> None:
    """Refuse a track whose rounds could not be drawn as it asks."""
    name = track.program.beacon
    if not name:
        return
    if track.program.source is not Source.DRAWN:
        description = "is of no use where results are entered"
    elif beacons.get(name) is None:
        description = f"is none that this deployment asks; it asks {', '.join(beacons.by_name) or 'none'}"
    elif track.timetable.betting_window_ms < BEACON_WINDOW_MS_MIN:
        description = f"needs a betting window of {BEACON_WINDOW_MS_MIN} milliseconds or more"
    else:
        return
    violation = Violation(field=field, description=description)
    raise Refusal(Reason.MALFORMED, f"the beacon {name!r} {description}", violations=[violation])


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
