"""The price board: moves the prices of rounds whose results are entered, and tells whoever has to know."""

from collections.abc import Sequence

from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.domain.round import Round
from services.game.domain.track import Source
from services.game.engine.broadcast.hub import Hub
from services.game.engine.offers import Offers
from services.game.ports import Price, RoundPrices


class PriceBoard:
    """Sets prices in the store. Other games learn of them by hint, or from the store when they place a ticket."""

    def __init__(self, *, rounds: RoundPrices, offers: Offers, hub: Hub) -> None:
        self._rounds = rounds
        self._offers = offers
        self._hub = hub

    async def set_prices(
        self, *, request_id: str, round_id: int, prices: Sequence[Price], reason: str, actor: str
    ) -> Round:
        """Move prices; gives the round with all of them.

        Raises Refusal PRICES_FIXED for a round that is drawn: its weights are published and its prices follow from
        them, so another price would be none of them that anybody could work out again.
        """
        source = (await self._rounds.round(round_id)).round.terms.source
        if source is not Source.ENTERED:
            message = f"the result of round {round_id} is drawn by its weights, and its prices follow from them"
            raise Refusal(Reason.PRICES_FIXED, message, metadata={"round_id": str(round_id)})
        stored = await self._rounds.set_prices(
            request_id=request_id, round_id=round_id, prices=prices, reason=reason, actor=actor
        )
        self._offers.take(stored.round)
        self._hub.prices(stored.round)
        return stored.round
