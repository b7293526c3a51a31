"""Rounds and their transitions, kept by persist."""

from collections.abc import Sequence

import grpc
from furlong.persist.v1 import round_store_service_pb2 as pb
from furlong.persist.v1 import track_store_service_pb2 as tracks_pb
from furlong.persist.v1.round_store_service_pb2_grpc import RoundStoreServiceStub
from furlong.persist.v1.track_store_service_pb2_grpc import TrackStoreServiceStub

from services.game.adapters.persist.answers import read, written
from services.game.adapters.persist.wire import chain_of, price_to, stored_round_of, winner_to
from services.game.domain.card import RaceCard
from services.game.domain.race_result import RaceResult
from services.game.domain.round import StoredRound, Terms
from services.game.domain.seed_chain import PublishedChain
from services.game.domain.track import Track
from services.game.domain.winners import Winner
from services.game.ports import Page, Price, Transitions
from services.game.wire import card_of, limits_to, runner_to, terms_to, timetable_to, track_of


class PersistRounds:
    """The port `RoundStore` over a channel to persist."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._rounds = RoundStoreServiceStub(channel)
        self._tracks = TrackStoreServiceStub(channel)

    async def track(self, track: str) -> Track:
        """Read a track."""
        return track_of((await read(self._tracks.GetTrack(tracks_pb.GetTrackRequest(track=track)))).track)

    async def next_card(self, track: str) -> RaceCard:
        """Read the card that was run the longest time ago."""
        request = tracks_pb.GetNextRaceCardRequest(track=track)
        return card_of((await read(self._tracks.GetNextRaceCard(request))).card)

    async def open_round(
        self,
        *,
        request_id: str,
        track: Track,
        epoch: int,
        card: RaceCard,
        commitment: bytes,
        sealed_seed: bytes,
        terms: Terms,
        locks_at_ms: int,
        seed_chain_no: int = 0,
    ) -> StoredRound:
        """Open a round on a card with its prices."""
        request = pb.OpenRoundRequest(
            request_id=request_id,
            track=track.track,
            epoch=epoch,
            card_id=card.card_id,
            race_name=card.name,
            distance_m=card.distance_m,
            runners=[runner_to(runner) for runner in card.runners],
            timetable=timetable_to(track.timetable),
            limits=limits_to(track.limits),
            return_bps=track.return_bps,
            commitment=commitment,
            sealed_seed=sealed_seed,
            terms=terms_to(terms),
            locks_at_ms=locks_at_ms,
            seed_chain_no=seed_chain_no,
            seed_index=terms.seed_index if seed_chain_no else 0,
        )
        return stored_round_of((await written(self._rounds.OpenRound(request), request_id)).stored)

    async def seed_chains(self, track: str) -> Sequence[PublishedChain]:
        """Read the seed chains of a track."""
        answer = await read(self._tracks.ListSeedChains(tracks_pb.ListSeedChainsRequest(track=track)))
        return [chain_of(stored) for stored in answer.chains]

    async def create_seed_chain(
        self,
        *,
        request_id: str,
        track: str,
        epoch: int,
        chain_no: int,
        anchor: bytes,
        length: int,
        sealed_checkpoints: bytes,
    ) -> PublishedChain:
        """Publish the next seed chain of a track."""
        request = tracks_pb.CreateSeedChainRequest(
            request_id=request_id,
            track=track,
            epoch=epoch,
            chain_no=chain_no,
            anchor=anchor,
            length=length,
            sealed_checkpoints=sealed_checkpoints,
        )
        return chain_of((await written(self._tracks.CreateSeedChain(request), request_id)).stored)

    async def lock_round(self, *, request_id: str, round_id: int, epoch: int) -> StoredRound:
        """Close betting."""
        request = pb.LockRoundRequest(request_id=request_id, round_id=round_id, epoch=epoch)
        return stored_round_of((await written(self._rounds.LockRound(request), request_id)).stored)

    async def start_race(
        self,
        *,
        request_id: str,
        round_id: int,
        epoch: int,
        result: Sequence[int],
        server_seed: bytes,
        beacon_signature: bytes = b"",
        from_now: bool = False,
    ) -> StoredRound:
        """Store the result."""
        request = pb.StartRaceRequest(
            request_id=request_id,
            round_id=round_id,
            epoch=epoch,
            result=result,
            server_seed=server_seed,
            beacon_signature=beacon_signature,
            from_now=from_now,
        )
        return stored_round_of((await written(self._rounds.StartRace(request), request_id)).stored)

    async def enter_result(
        self, *, request_id: str, round_id: int, result: RaceResult, reason: str, actor: str
    ) -> StoredRound:
        """Store the result that an operator saw; no lease is needed for it."""
        request = pb.StartRaceRequest(
            request_id=request_id,
            round_id=round_id,
            result=result.order,
            positions=result.positions,
            withdrawn=result.withdrawn,
            actor=actor,
            reason=reason,
            from_now=True,
        )
        return stored_round_of((await written(self._rounds.StartRace(request), request_id)).stored)

    async def finish_round(self, *, request_id: str, round_id: int, epoch: int) -> StoredRound:
        """End the race."""
        request = pb.FinishRoundRequest(request_id=request_id, round_id=round_id, epoch=epoch)
        return stored_round_of((await written(self._rounds.FinishRound(request), request_id)).stored)

    async def settle_round(
        self, *, request_id: str, round_id: int, epoch: int, winners: Sequence[Winner]
    ) -> StoredRound:
        """Decide who is paid."""
        request = pb.SettleRoundRequest(
            request_id=request_id,
            round_id=round_id,
            epoch=epoch,
            winners=[winner_to(winner) for winner in winners],
        )
        return stored_round_of((await written(self._rounds.SettleRound(request), request_id)).stored)

    async def void_round(self, *, request_id: str, round_id: int, epoch: int, reason: str, actor: str) -> StoredRound:
        """Decide that every stake goes back."""
        request = pb.VoidRoundRequest(request_id=request_id, round_id=round_id, epoch=epoch, reason=reason, actor=actor)
        return stored_round_of((await written(self._rounds.VoidRound(request), request_id)).stored)

    async def correct_result(
        self,
        *,
        request_id: str,
        round_id: int,
        result: RaceResult,
        winners: Sequence[Winner],
        reason: str,
        actor: str,
    ) -> StoredRound:
        """Decide that a settled round ended otherwise."""
        request = pb.CorrectResultRequest(
            request_id=request_id,
            round_id=round_id,
            result=result.order,
            positions=result.positions,
            withdrawn=result.withdrawn,
            winners=[winner_to(winner) for winner in winners],
            reason=reason,
            actor=actor,
        )
        return stored_round_of((await written(self._rounds.CorrectResult(request), request_id)).stored)

    async def set_prices(
        self, *, request_id: str, round_id: int, prices: Sequence[Price], reason: str, actor: str
    ) -> StoredRound:
        """Move prices of a round that takes tickets."""
        request = pb.SetPricesRequest(
            request_id=request_id,
            round_id=round_id,
            prices=[price_to(price) for price in prices],
            reason=reason,
            actor=actor,
        )
        return stored_round_of((await written(self._rounds.SetPrices(request), request_id)).stored)

    async def post_settlement(self, round_id: int) -> StoredRound:
        """Move some of the money that was decided on."""
        request = pb.PostSettlementRequest(round_id=round_id)
        return stored_round_of((await written(self._rounds.PostSettlement(request))).stored)

    async def round(self, round_id: int) -> StoredRound:
        """Read one round."""
        return stored_round_of((await read(self._rounds.GetRound(pb.GetRoundRequest(round_id=round_id)))).stored)

    async def current_round(self, track: str) -> StoredRound:
        """Read the round opened last."""
        request = pb.GetCurrentRoundRequest(track=track)
        return stored_round_of((await read(self._rounds.GetCurrentRound(request))).stored)

    async def rounds(self, track: str, page_size: int, page_token: str) -> Page[StoredRound]:
        """Read the rounds of a track, the newest first."""
        request = pb.ListRoundsRequest(track=track, page_size=page_size, page_token=page_token)
        answer = await read(self._rounds.ListRounds(request))
        rounds = [stored_round_of(stored) for stored in answer.rounds]
        return Page(items=rounds, next_page_token=answer.next_page_token)

    async def unsettled_rounds(self, track: str) -> Sequence[StoredRound]:
        """Read the rounds that are not done."""
        request = pb.ListUnsettledRoundsRequest(track=track)
        return [stored_round_of(stored) for stored in (await read(self._rounds.ListUnsettledRounds(request))).rounds]

    async def transitions(self, track: str, after: int, page_size: int) -> Transitions:
        """Read transitions in order."""
        request = pb.ListTransitionsRequest(track=track, after=after, page_size=page_size)
        answer = await read(self._rounds.ListTransitions(request))
        return Transitions(items=[stored_round_of(stored) for stored in answer.transitions], latest=answer.latest)
