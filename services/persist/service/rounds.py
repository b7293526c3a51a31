"""RoundStoreService."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import grpc
from furlong.persist.v1.round_store_service_pb2 import (
    CorrectResultRequest,
    CorrectResultResponse,
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
    PostSettlementRequest,
    PostSettlementResponse,
    SetPricesRequest,
    SetPricesResponse,
    SettleRoundRequest,
    SettleRoundResponse,
    StartRaceRequest,
    StartRaceResponse,
    StoredRound,
    VoidRoundRequest,
    VoidRoundResponse,
)
from furlong.persist.v1.round_store_service_pb2_grpc import RoundStoreServiceServicer

from services.chassis.freshness import tell
from services.persist.domain.round import Round
from services.persist.domain.shelf import ROUND_LISTS, ROUNDS, are_over
from services.persist.hot_reads import Answer, HotReads
from services.persist.ports import Operation, Posting, RoundReads, Rounds
from services.persist.service import parse
from services.persist.service.operation import operation
from services.persist.service.paging import bad_token, place_of, token_for
from services.persist.service.render import stored_round

Context = grpc.aio.ServicerContext[object, object]

OPERATOR: Final = 0
"""The epoch of what an operator asks for, who needs no lease: a void, the start of a race whose result was entered."""

ROUND_ID_DIGITS: Final = 19
"""The digits of the greatest number that a round may have. A token with as many was never given out."""

RAW_ANSWERS: Final = frozenset(("GetRound", "ListRounds"))
"""Methods that answer with bytes, as the cache keeps them."""


class RoundStore(RoundStoreServiceServicer):
    """Makes transitions durable and reads rounds; `hot` for those that are over, see `domain/shelf.py`.

    `on_open` is told of every round that has been opened.
    """

    def __init__(
        self, *, rounds: Rounds, posting: Posting, reads: RoundReads, hot: HotReads, on_open: Callable[[], None]
    ) -> None:
        self._rounds = rounds
        self._posting = posting
        self._reads = reads
        self._hot = hot
        self._on_open = on_open

    async def OpenRound(self, request: OpenRoundRequest, context: Context) -> OpenRoundResponse:
        """Open the next round."""
        once: Operation[Round] = operation(request, lambda value: OpenRoundResponse(stored=stored_round(value)))
        opened = await self._rounds.open(once, parse.plan(request), request.epoch)
        self._on_open()
        return OpenRoundResponse.FromString(opened)

    async def LockRound(self, request: LockRoundRequest, context: Context) -> LockRoundResponse:
        """Close betting."""
        once: Operation[Round] = operation(request, lambda value: LockRoundResponse(stored=stored_round(value)))
        return LockRoundResponse.FromString(await self._rounds.lock(once, request.round_id, request.epoch))

    async def StartRace(self, request: StartRaceRequest, context: Context) -> StartRaceResponse:
        """Store the result."""
        once: Operation[Round] = operation(request, lambda value: StartRaceResponse(stored=stored_round(value)))
        epoch = None if request.epoch == OPERATOR else request.epoch
        return StartRaceResponse.FromString(
            await self._rounds.start(once, request.round_id, epoch, parse.start(request))
        )

    async def FinishRound(self, request: FinishRoundRequest, context: Context) -> FinishRoundResponse:
        """End the race."""
        once: Operation[Round] = operation(request, lambda value: FinishRoundResponse(stored=stored_round(value)))
        return FinishRoundResponse.FromString(await self._rounds.finish(once, request.round_id, request.epoch))

    async def SettleRound(self, request: SettleRoundRequest, context: Context) -> SettleRoundResponse:
        """Decide who is paid."""
        once: Operation[Round] = operation(request, lambda value: SettleRoundResponse(stored=stored_round(value)))
        winners = [parse.winner(message) for message in request.winners]
        return SettleRoundResponse.FromString(await self._rounds.settle(once, request.round_id, request.epoch, winners))

    async def VoidRound(self, request: VoidRoundRequest, context: Context) -> VoidRoundResponse:
        """Decide that every stake goes back."""
        once: Operation[Round] = operation(request, lambda value: VoidRoundResponse(stored=stored_round(value)))
        epoch = None if request.epoch == OPERATOR else request.epoch
        return VoidRoundResponse.FromString(
            await self._rounds.void(once, request.round_id, epoch, request.reason, request.actor)
        )

    async def PostSettlement(self, request: PostSettlementRequest, context: Context) -> PostSettlementResponse:
        """Move the money of what was decided."""
        posted = await self._posting.post(request.round_id)
        return PostSettlementResponse(
            stored=stored_round(posted.round), chunks_posted=posted.chunks_posted, chunks=posted.chunks
        )

    async def CorrectResult(self, request: CorrectResultRequest, context: Context) -> CorrectResultResponse:
        """Decide that a settled round ended otherwise."""
        once: Operation[Round] = operation(request, lambda value: CorrectResultResponse(stored=stored_round(value)))
        winners = [parse.winner(message) for message in request.winners]
        try:
            return CorrectResultResponse.FromString(
                await self._rounds.correct(
                    once, request.round_id, parse.race_result(request), winners, request.reason, request.actor
                )
            )
        finally:  # however it ended: the commit may have been made
            await self._hot.forget(ROUNDS)
            await self._hot.forget(ROUND_LISTS)

    async def SetPrices(self, request: SetPricesRequest, context: Context) -> SetPricesResponse:
        """Move prices of an open round."""
        once: Operation[Round] = operation(request, lambda value: SetPricesResponse(stored=stored_round(value)))
        prices = [parse.price(message) for message in request.prices]
        return SetPricesResponse.FromString(
            await self._rounds.set_prices(once, request.round_id, prices, request.reason, request.actor)
        )

    async def GetRound(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: GetRoundRequest, context: Context
    ) -> bytes:
        """Read one round."""
        wire = await self._hot.read(ROUNDS, str(request.round_id), partial(self._round, request.round_id))
        await tell(context)
        return wire

    async def GetCurrentRound(self, request: GetCurrentRoundRequest, context: Context) -> GetCurrentRoundResponse:
        """Read the round that was opened last."""
        return GetCurrentRoundResponse(stored=stored_round(await self._reads.current(request.track)))

    async def ListRounds(  # type: ignore[override] # answers with bytes, see RAW_ANSWERS
        self, request: ListRoundsRequest, context: Context
    ) -> bytes:
        """Read a page of rounds; the first one changes with every round that opens, and is read anew."""
        before = _round_of(request.page_token)
        if before is None:
            rounds = await self._reads.page(request.track, None, request.page_size + 1)
            return _page(rounds, request.page_size).SerializeToString()
        key = f"{request.track}/{before}/{request.page_size}"
        page = partial(self._page_before, before, request.track, request.page_size)
        wire = await self._hot.read(ROUND_LISTS, key, page)
        await tell(context)
        return wire

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

    async def _round(self, round_id: int) -> Answer:
        value = await self._reads.get(round_id)
        wire = GetRoundResponse(stored=stored_round(value)).SerializeToString()
        return Answer(wire=wire, keep=are_over((value,)))

    async def _page_before(self, before: int, track: str, size: int) -> Answer:
        """Read the page that begins below a round.

        The round itself is read with it: where it is there, in the same moment, no round below it can still open. A
        token that somebody made up may name one that is not, and its page is then not for keeping.
        """
        rounds = await self._reads.page(track, before + 1, size + 2)
        is_there = bool(rounds) and rounds[0].round_id == before
        below = rounds[1:] if is_there else rounds
        wire = _page(below, size).SerializeToString()
        return Answer(wire=wire, keep=is_there and are_over(below[:size]))


def _round_of(page_token: str) -> int | None:
    """The round below which a page begins; None for the first one. Raises Refusal MALFORMED."""
    place = place_of(page_token)
    if place is None:
        return None
    if not (place.isascii() and place.isdecimal() and len(place) < ROUND_ID_DIGITS):
        raise bad_token()
    return int(place)


def _page(rounds: Sequence[Round], size: int) -> ListRoundsResponse:
    """A page out of its rounds and, where there are more, the one after it."""
    page = rounds[:size]
    return ListRoundsResponse(
        rounds=[stored_round(value) for value in page],
        next_page_token=token_for(str(page[-1].round_id)) if len(rounds) > size else "",
    )
