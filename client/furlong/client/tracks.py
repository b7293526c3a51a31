"""Typed calls about tracks."""

from collections.abc import Sequence

import grpc
from furlong.client.errors import answer_of
from furlong.client.identity import uuid7
from furlong.common.v1.round_pb2 import RaceCard, Round, SeedChain, Track
from furlong.common.v1.ticket_pb2 import Line, Price
from furlong.game.v1 import track_service_pb2 as wire
from furlong.game.v1.track_service_pb2_grpc import TrackServiceStub


class Tracks:
    """Tracks, for everybody to see and for operators to run.

    Every method raises a FurlongError. The same `request_id` with the same content gets the same answer again;
    without one, a new one is made.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = TrackServiceStub(channel)

    async def list(self) -> Sequence[Track]:
        """Read all tracks, by name."""
        tracks: Sequence[Track] = []
        token = ""
        while True:
            page = await answer_of(self._stub.ListTracks(wire.ListTracksRequest(page_token=token)))
            tracks = [*tracks, *page.tracks]
            token = page.next_page_token
            if not token:
                return tracks

    async def get(self, track: str) -> Track:
        """Read one track."""
        return (await answer_of(self._stub.GetTrack(wire.GetTrackRequest(track=track)))).track

    async def seed_chains(self, track: str) -> Sequence[SeedChain]:
        """Read the published ends of a track's seed chains, the newest first."""
        return (await answer_of(self._stub.ListSeedChains(wire.ListSeedChainsRequest(track=track)))).chains

    async def presence(self, track: str) -> wire.ListPresenceResponse:
        """Read which terminals watch a track, and which came and went of late. A hint, some seconds old."""
        return await answer_of(self._stub.ListPresence(wire.ListPresenceRequest(track=track)))

    async def create(self, track: Track, *, request_id: str | None = None) -> Track:
        """Make a track. What is left out of `track` takes the defaults."""
        request = wire.CreateTrackRequest(request_id=request_id or uuid7(), track=track)
        return (await answer_of(self._stub.CreateTrack(request), [request.request_id])).track

    async def import_race_cards(
        self, track: str, cards: Sequence[RaceCard], *, request_id: str | None = None
    ) -> wire.ImportRaceCardsResponse:
        """Add 1 to 200 race cards to a track, all or none; a card of the same name is replaced."""
        request = wire.ImportRaceCardsRequest(request_id=request_id or uuid7(), track=track, cards=cards)
        return await answer_of(self._stub.ImportRaceCards(request), [request.request_id])

    async def void_round(self, round_id: int, reason: str, *, request_id: str | None = None) -> Round:
        """Give every stake of a round back; possible until the draw. `reason` goes to the books and the screens."""
        request = wire.VoidRoundRequest(request_id=request_id or uuid7(), round_id=round_id, reason=reason)
        return (await answer_of(self._stub.VoidRound(request), [request.request_id])).round

    async def enter_result(
        self,
        round_id: int,
        result: Sequence[int],
        reason: str,
        *,
        positions: Sequence[int] = (),
        withdrawn: Sequence[int] = (),
        request_id: str | None = None,
    ) -> Round:
        """Tell how the race of a LOCKED round ended, on a track whose results are entered; it starts then.

        `result` has the numbers of the runners that took part, first to last. `positions` go with it and are needed for
        dead heats, whose runners share one (1, 1, 3), and for runners that did not finish, which come last with 0. What
        was bet on `withdrawn` runners is given back.
        """
        request = wire.EnterResultRequest(
            request_id=request_id or uuid7(),
            round_id=round_id,
            result=result,
            positions=positions,
            withdrawn=withdrawn,
            reason=reason,
        )
        return (await answer_of(self._stub.EnterResult(request), [request.request_id])).round

    async def correct_result(
        self,
        round_id: int,
        result: Sequence[int],
        reason: str,
        *,
        positions: Sequence[int] = (),
        withdrawn: Sequence[int] = (),
        request_id: str | None = None,
    ) -> Round:
        """Put the result of a settled round right; it is written as for `enter_result`.

        Prizes of the wrong result are taken back as far as the accounts have them, the right winners are paid, and the
        house bears the rest. Money may still be moving when this answers.
        """
        request = wire.CorrectResultRequest(
            request_id=request_id or uuid7(),
            round_id=round_id,
            result=result,
            positions=positions,
            withdrawn=withdrawn,
            reason=reason,
        )
        return (await answer_of(self._stub.CorrectResult(request), [request.request_id])).round

    async def set_prices(
        self, round_id: int, prices: Sequence[Price], reason: str, *, request_id: str | None = None
    ) -> Round:
        """Move prices of a round whose result will be entered, while it takes tickets; the others stay as they are.

        Once this has answered, no ticket is accepted at a price that it withdrew, but for those with a quote from
        before. CallRefused with reason PRICES_FIXED for a round that is drawn, and ROUND_PHASE once it has locked.
        """
        request = wire.SetPricesRequest(
            request_id=request_id or uuid7(), round_id=round_id, prices=prices, reason=reason
        )
        return (await answer_of(self._stub.SetPrices(request), [request.request_id])).round

    async def pause(self, track: str, reason: str, *, request_id: str | None = None) -> Track:
        """Let the round in progress end, betting included, and open no other. `reason` goes to the books."""
        request = wire.PauseTrackRequest(request_id=request_id or uuid7(), track=track, reason=reason)
        return (await answer_of(self._stub.PauseTrack(request), [request.request_id])).track

    async def suspend(self, track: str, reason: str, *, request_id: str | None = None) -> Track:
        """Stop the sale of tickets: once this has answered, none is accepted. The round ends, and no other opens."""
        request = wire.SuspendTrackRequest(request_id=request_id or uuid7(), track=track, reason=reason)
        return (await answer_of(self._stub.SuspendTrack(request), [request.request_id])).track

    async def suspend_selling(
        self,
        track: str,
        reason: str,
        *,
        market: Line.Market.ValueType = Line.MARKET_UNSPECIFIED,
        runner: int = 0,
        terminal: str = "",
        request_id: str | None = None,
    ) -> Track:
        """Stop the sale of exactly one of a market, a runner of the open round and a terminal.

        Once this has answered, no ticket with it is accepted; the rest of the track goes on.
        """
        request = wire.SuspendSellingRequest(
            request_id=request_id or uuid7(),
            track=track,
            market=market,
            runner=runner,
            terminal=terminal,
            reason=reason,
        )
        return (await answer_of(self._stub.SuspendSelling(request), [request.request_id])).track

    async def resume_selling(
        self,
        track: str,
        reason: str,
        *,
        market: Line.Market.ValueType = Line.MARKET_UNSPECIFIED,
        runner: int = 0,
        terminal: str = "",
        request_id: str | None = None,
    ) -> Track:
        """Let a market, a runner of the open round or a terminal go on."""
        request = wire.ResumeSellingRequest(
            request_id=request_id or uuid7(),
            track=track,
            market=market,
            runner=runner,
            terminal=terminal,
            reason=reason,
        )
        return (await answer_of(self._stub.ResumeSelling(request), [request.request_id])).track

    async def update(self, request: wire.UpdateTrackRequest) -> Track:
        """Change settings of a track, from its next round on; what is left out of the request stays as it is.

        A request without an id is given one.
        """
        request.request_id = request.request_id or uuid7()
        return (await answer_of(self._stub.UpdateTrack(request), [request.request_id])).track

    async def resume(self, track: str, reason: str, *, request_id: str | None = None) -> Track:
        """Let a paused or suspended track go on."""
        request = wire.ResumeTrackRequest(request_id=request_id or uuid7(), track=track, reason=reason)
        return (await answer_of(self._stub.ResumeTrack(request), [request.request_id])).track
