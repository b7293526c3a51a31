"""The desk: takes orders, holds them against the rules of racing, and sends them to the store on their round's lane."""

import asyncio
from collections.abc import Sequence, Set
from functools import partial
from typing import Final

from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.ticket_pb2 import Ticket, TicketResult

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal
from services.game.domain.order import Offer, Order, content_hash, judge, on_no_round, out_of_breath
from services.game.domain.round import Totals
from services.game.engine.broadcast.hub import Hub
from services.game.engine.lane import Lane
from services.game.engine.offers import Offers
from services.game.engine.pace import Pace
from services.game.engine.parcel import Parcel, parcels
from services.game.engine.quotes import Quotes
from services.game.ports import Paid, Placing, TicketStore

JUDGED_MAX: Final = 4
"""How often an order is judged that the store found judged by prices which had moved; then it is refused."""
COME_BACK_MS: Final = 100
"""When a caller who found the desk full should come back; about two calls to the store later."""


class Desk:
    """Places tickets. At most `queue_tickets_max` wait; more are refused with OVERLOADED."""

    def __init__(
        self,
        *,
        store: TicketStore,
        offers: Offers,
        quotes: Quotes,
        hub: Hub,
        clock: Clock,
        queue_tickets_max: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._offers = offers
        self._quotes = quotes
        self._hub = hub
        self._queue_tickets_max = queue_tickets_max
        self._queued_tickets = 0
        self._lanes: dict[int, Lane] = {}

    async def place(self, round_id: int, orders: Sequence[Order]) -> list[TicketResult]:
        """Answer every order, in order. A Refusal is the whole call's: nothing, or nobody knows what, was done."""
        offer = await self._offers.offer(round_id)
        packed = list(parcels([self._placing(round_id, order, offer) for order in orders]))
        self._admit(len(orders))
        answers = await self._sent(round_id, offer, packed)
        if any([parcel.undecided for parcel in packed]):  # noqa: C419 - faster
            assert offer is not None, "an order on no round is decided"
            return await self._again(offer, orders, answers)
        return answers

    async def _again(self, offer: Offer, orders: Sequence[Order], answers: list[TicketResult]) -> list[TicketResult]:
        """Judge the orders again that were judged by prices which have moved since, and fill in their answers."""
        judged = 1
        while undecided := [n for n, answer in enumerate(answers) if not answer.verdict]:
            judged += 1
            try:
                decided = await self._once_more(offer, [orders[n] for n in undecided], is_last=judged > JUDGED_MAX)
            except Refusal as refusal:
                if len(undecided) == len(answers):
                    raise
                words = f"some tickets are decided on, others are not: {refusal}"
                raise Refusal(Reason.OUTCOME_UNKNOWN, words) from refusal
            offer, results = decided
            for n, answer in zip(undecided, results, strict=True):
                answers[n] = answer
        return answers

    async def _once_more(
        self, offer: Offer, orders: Sequence[Order], *, is_last: bool
    ) -> tuple[Offer, list[TicketResult]]:
        """Send orders judged by the offer as it is now, and give it with their answers."""
        fresh = await self._offers.fresh(offer.round_id, offer.price_revision)
        assert fresh is not None, "a round stays where it is"
        placings = [
            Placing(order, out_of_breath(order), content_hash(fresh.round_id, order))
            if is_last
            else self._placing(fresh.round_id, order, fresh)
            for order in orders
        ]
        self._queued_tickets += len(orders)  # they were let in before
        return fresh, await self._sent(fresh.round_id, fresh, list(parcels(placings)))

    async def _sent(self, round_id: int, offer: Offer | None, packed: Sequence[Parcel]) -> list[TicketResult]:
        """Put parcels on their round's lane and wait for their answers."""
        lane = self._lane(round_id, offer)
        for parcel in packed:
            lane.put(parcel)
        try:
            if len(packed) == 1:
                return list(await packed[0].answers)
            return await _of_all(packed)
        finally:
            for parcel in packed:
                parcel.answers.cancel()

    async def take_back(self, ticket: Ticket, *, request_id: str, reason: str, actor: str) -> Ticket:
        """Cancel a ticket and tell the watchers of its round what is left; gives the ticket as it is now."""
        offer = await self._offers.offer(ticket.round_id)
        cancelled = await self._store.cancel(
            request_id=request_id, ticket_id=ticket.ticket_id, reason=reason, actor=actor
        )
        if offer is not None:
            self._hub.cancelled(offer.track, ticket.round_id, cancelled.totals)
            self._hub.changed(offer.track, (ticket.account_id,))
        return cancelled.ticket

    async def pay(self, ticket_id: str, *, request_id: str, account_id: str, actor: str) -> Paid:
        """Pay a ticket at a till, and tell who watches the account that bought it."""
        paid = await self._store.pay(request_id=request_id, ticket_id=ticket_id, account_id=account_id, actor=actor)
        offer = await self._offers.offer(paid.ticket.round_id)
        if offer is not None:
            self._hub.changed(offer.track, (paid.ticket.account_id,))
        return paid

    def _placing(self, round_id: int, order: Order, offer: Offer | None) -> Placing:
        if offer is None:
            judgement = on_no_round(order, round_id)
        elif order.quote:
            judgement = self._quotes.judge(order, offer)
        else:
            judgement = judge(order, offer)
        return Placing(order, judgement, content_hash(round_id, order))

    def _admit(self, tickets: int) -> None:
        if self._queued_tickets + tickets > self._queue_tickets_max:
            raise Refusal(
                Reason.OVERLOADED,
                f"{self._queued_tickets} tickets wait already; come back in {COME_BACK_MS} ms",
                retry_in_ms=COME_BACK_MS,
                metadata={"queued_tickets": str(self._queued_tickets)},
            )
        self._queued_tickets += tickets

    def _lane(self, round_id: int, offer: Offer | None) -> Lane:
        lane = self._lanes.get(round_id)
        if lane is None:
            lane = self._lanes[round_id] = Lane(
                round_id=round_id,
                store=self._store,
                clock=self._clock,
                pace=Pace(None if offer is None else offer.locks_at_ms),
                left=self._leave,
                totals=partial(self._total, offer, round_id),
                idle=partial(self._lanes.pop, round_id, None),
            )
        return lane

    def _leave(self, tickets: int) -> None:
        self._queued_tickets -= tickets

    def _total(self, offer: Offer | None, round_id: int, totals: Totals, accounts: Set[str]) -> None:
        if offer is not None:
            self._hub.totals(offer.track, round_id, totals)
            self._hub.changed(offer.track, accounts)


async def _of_all(packed: Sequence[Parcel]) -> list[TicketResult]:
    """Wait for every parcel of a call that needed several: they share one end, or the call's outcome is in doubt."""
    ended = await asyncio.gather(*(parcel.answers for parcel in packed), return_exceptions=True)
    failed = [end for end in ended if isinstance(end, BaseException)]
    if failed:
        ends = {end.reason if isinstance(end, Refusal) else type(end) for end in failed}
        if len(failed) == len(ended) and len(ends) == 1:
            raise failed[0]
        raise Refusal(Reason.OUTCOME_UNKNOWN, f"some tickets may be placed, others are not: {failed[0]}") from failed[0]
    return [answer for answers in ended if not isinstance(answers, BaseException) for answer in answers]
