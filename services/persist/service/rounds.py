"""RoundStoreService."""

from typing import Final

import grpc
from furlong.persist.v1.round_store_service_pb2 import (
    FinishRoundRequest,
    FinishRoundResponse,
    GetCurrentRoundRequest,
    GetCurrentRoundResponse,
    GetRoundRequest,
    GetRoundResponse,
    ListRoundsRequest,
    ListRoundsResponse,
    ListTransitionsRequest,
    ListTransitionsResponse,
    ListUnsettledRoundsRequest,
    ListUnsettledRoundsResponse,
    LockRoundRequest,
    LockRoundResponse,
    OpenRoundRequest,
    OpenRoundResponse,
    SettleRoundRequest,
    SettleRoundResponse,
    StartRaceRequest,
    StartRaceResponse,
    StoredRound,
    VoidRoundRequest,
    VoidRoundResponse,
)
from furlong.persist.v1.round_store_service_pb2_grpc import RoundStoreServiceServicer

from services.persist.domain.round import Round
from services.persist.ports import Operation, RoundReads, Rounds
from services.persist.service import parse
from services.persist.service.operation import operation
from services.persist.service.paging import bad_token, place_of, token_for
from services.persist.service.render import stored_round

Context = grpc.aio.ServicerContext[object, object]

OPERATOR: Final = 0
"""The epoch of a void that an operator asks for, who needs no lease."""


class RoundStore(RoundStoreServiceServicer):
    """Makes transitions durable and reads rounds."""

    def __init__(self, *, rounds: Rounds, reads: RoundReads) -> None:
        self._rounds = rounds
        self._reads = reads

    async def OpenRound(self, request: OpenRoundRequest, context: Context) -> OpenRoundResponse:
        """Open the next round."""
        once: Operation[Round] = operation(request, lambda value: OpenRoundResponse(stored=stored_round(value)))
        return OpenRoundResponse.FromString(await self._rounds.open(once, parse.plan(request), request.epoch))

    async def LockRound(self, request: LockRoundRequest, context: Context) -> LockRoundResponse:
        """Close betting."""
        once: Operation[Round] = operation(request, lambda value: LockRoundResponse(stored=stored_round(value)))
        return LockRoundResponse.FromString(await self._rounds.lock(once, request.round_id, request.epoch))

    async def StartRace(self, request: StartRaceRequest, context: Context) -> StartRaceResponse:
        """Store the result."""
        once: Operation[Round] = operation(request, lambda value: StartRaceResponse(stored=stored_round(value)))
        return StartRaceResponse.FromString(
            await self._rounds.start(once, request.round_id, request.epoch, list(request.result), request.server_seed)
        )

    async def FinishRound(self, request: FinishRoundRequest, context: Context) -> FinishRoundResponse:
        """End the race."""
        once: Operation[Round] = operation(request, lambda value: FinishRoundResponse(stored=stored_round(value)))
        return FinishRoundResponse.FromString(await self._rounds.finish(once, request.round_id, request.epoch))

    async def SettleRound(self, request: SettleRoundRequest, context: Context) -> SettleRoundResponse:
        """Pay the winners."""
        once: Operation[Round] = operation(request, lambda value: SettleRoundResponse(stored=stored_round(value)))
        winners = [parse.winner(message) for message in request.winners]
        return SettleRoundResponse.FromString(await self._rounds.settle(once, request.round_id, request.epoch, winners))

    async def VoidRound(self, request: VoidRoundRequest, context: Context) -> VoidRoundResponse:
        """Give every stake back."""
        once: Operation[Round] = operation(request, lambda value: VoidRoundResponse(stored=stored_round(value)))
        epoch = None if request.epoch == OPERATOR else request.epoch
        return VoidRoundResponse.FromString(
            await self._rounds.void(once, request.round_id, epoch, request.reason, request.actor)
        )

    async def GetRound(self, request: GetRoundRequest, context: Context) -> GetRoundResponse:
        """Read one round."""
        return GetRoundResponse(stored=stored_round(await self._reads.get(request.round_id)))

    async def GetCurrentRound(self, request: GetCurrentRoundRequest, context: Context) -> GetCurrentRoundResponse:
        """Read the round that was opened last."""
        return GetCurrentRoundResponse(stored=stored_round(await self._reads.current(request.track)))

    async def ListRounds(self, request: ListRoundsRequest, context: Context) -> ListRoundsResponse:
        """Read a page of rounds."""
        place = place_of(request.page_token)
        if place is not None and not place.isdecimal():
            raise bad_token()
        before = int(place) if place is not None else None
        rounds = await self._reads.page(request.track, before, request.page_size + 1)
        page = rounds[: request.page_size]
        return ListRoundsResponse(
            rounds=[stored_round(value) for value in page],
            next_page_token=token_for(str(page[-1].round_id)) if len(rounds) > len(page) else "",
        )

    async def ListUnsettledRounds(
        self, request: ListUnsettledRoundsRequest, context: Context
    ) -> ListUnsettledRoundsResponse:
        """Read what is left to do."""
        rounds = await self._reads.unsettled(request.track)
        return ListUnsettledRoundsResponse(rounds=[stored_round(value) for value in rounds])

    async def ListTransitions(self, request: ListTransitionsRequest, context: Context) -> ListTransitionsResponse:
        """Read rounds as they were right after their transitions."""
        transitions, latest = await self._reads.transitions(request.track, request.after, request.page_size)
        return ListTransitionsResponse(
            transitions=[StoredRound.FromString(rendered) for rendered in transitions], latest=latest
        )
