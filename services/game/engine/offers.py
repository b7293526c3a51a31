"""Offers of rounds by round id.

Most never change once the round is open, so each is read from the store once. Where prices move, what is remembered may
be old: the store tells when a ticket was judged by such, and the offer is read anew.
"""

import asyncio
from collections import OrderedDict
from functools import partial
from typing import Final

from furlong.client.deadline import set_inbound
from furlong.common.v1.error_pb2 import Reason

from services.chassis.refusal import Refusal
from services.game.domain.order import Offer, offer_of
from services.game.domain.round import Round
from services.game.ports import RoundReader

OFFERS_MAX: Final = 1_024
"""How many rounds are remembered; tickets come for the open ones, and repeats for the last few."""


class Offers:
    """Remembers the offers asked for last; calls that ask for the same one at once share one read."""

    def __init__(self, rounds: RoundReader) -> None:
        self._rounds = rounds
        self._known: OrderedDict[int, Offer] = OrderedDict()
        self._reading: dict[int, asyncio.Task[Offer | None]] = {}

    async def offer(self, round_id: int) -> Offer | None:
        """Give what can be bet on in a round; None where there is no such round, which is not remembered."""
        known = self._known.get(round_id)
        if known is not None:
            self._known.move_to_end(round_id)
            return known
        reading = self._reading.get(round_id)
        if reading is None:
            reading = self._reading[round_id] = asyncio.create_task(self._read(round_id), name=f"offer {round_id}")
            reading.add_done_callback(partial(self._read_done, round_id))
        return await asyncio.shield(reading)

    async def fresh(self, round_id: int, revision: int) -> Offer | None:
        """Give the offer, which is known to have newer prices than those of `revision`."""
        known = self._known.get(round_id)
        if known is not None and known.price_revision <= revision:
            del self._known[round_id]
        return await self.offer(round_id)

    async def current(self, round_id: int) -> Offer | None:
        """Give the offer as it is while this is asked: no price of it was withdrawn before."""
        offer = await self.offer(round_id)
        if offer is None or not offer.moves:
            return offer
        return self.take((await self._rounds.round(round_id)).round)  # a read that others share may have begun before

    def take(self, round_: Round) -> Offer:
        """Remember the offer of a round that was read, unless a newer one is known; gives the newer one."""
        offer = offer_of(round_)
        known = self._known.get(round_.round_id)
        if known is not None and known.price_revision >= offer.price_revision:
            return known
        self._known[round_.round_id] = offer
        if len(self._known) > OFFERS_MAX:
            self._known.popitem(last=False)
        return offer

    async def _read(self, round_id: int) -> Offer | None:
        set_inbound(None)  # others wait for the answer too, with deadlines of their own
        try:
            stored = await self._rounds.round(round_id)
        except Refusal as refusal:
            if refusal.reason != Reason.ROUND_UNKNOWN:
                raise
            return None
        return self.take(stored.round)

    def _read_done(self, round_id: int, reading: "asyncio.Task[Offer | None]") -> None:
        del self._reading[round_id]
        if not reading.cancelled():
            reading.exception()  # whoever still waits is told; if nobody does, nobody misses it
