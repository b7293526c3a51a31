"""Quotes: gives them out, and judges the orders that bring one."""

from collections.abc import Sequence
from dataclasses import dataclass

from furlong.common.v1.error_pb2 import Reason

from services.chassis.clock import Clock
from services.chassis.refusal import Refusal, Violation
from services.game.domain.order import (
    Judgement,
    Line,
    Offer,
    Order,
    at_offered_prices,
    judge_quoted,
    lines_hash,
    parts_at_offered_prices,
    selection_fault,
    selections,
)
from services.game.domain.quote import Quote, known, signed
from services.game.engine.offers import Offers


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """Lines with the prices that `quote` holds until `expires_at_ms`, in milliseconds since the Unix epoch.

    `parts` are those of a ticket of these lines: an each-way line is two of them.
    """

    lines: Sequence[Line]
    parts: Sequence[Line]
    quote: str
    expires_at_ms: int


class Quotes:
    """Holds prices for `hold_ms`. `keys` are the same for every game: the first signs, a quote under any is known."""

    def __init__(self, *, offers: Offers, clock: Clock, keys: Sequence[bytes], hold_ms: int) -> None:
        self._offers = offers
        self._clock = clock
        self._keys = keys
        self._hold_ms = hold_ms

    async def quote(self, round_id: int, lines: tuple[Line, ...]) -> Quoted:
        """Price lines and hold the prices. Raises Refusal ROUND_UNKNOWN, ROUND_PHASE, or MALFORMED naming lines."""
        offer = await self._offers.current(round_id)
        now_ms = self._clock.now_ms()
        if offer is None:
            raise Refusal(Reason.ROUND_UNKNOWN, f"no round {round_id}", metadata={"round_id": str(round_id)})
        if now_ms >= offer.locks_at_ms:
            raise Refusal(
                Reason.ROUND_PHASE, f"round {round_id} no longer takes tickets", metadata={"round_id": str(round_id)}
            )
        _refuse_what_is_not_offered(lines, offer)
        quote = Quote(
            round_id=round_id,
            expires_at_ms=min(now_ms + self._hold_ms, offer.locks_at_ms),
            lines_hash=lines_hash(lines),
            prices={selection: offer.prices[selection] for selection in selections(lines)},
        )
        return Quoted(
            lines=at_offered_prices(lines, offer),
            parts=parts_at_offered_prices(lines, offer),
            quote=signed(quote, self._keys[0]),
            expires_at_ms=quote.expires_at_ms,
        )

    def judge(self, order: Order, offer: Offer) -> Judgement:
        """Hold an order with a quote against the rules, at the prices that the quote holds."""
        quotes = (known(order.quote, key) for key in self._keys)
        quote = next((quote for quote in quotes if quote is not None), None)
        return judge_quoted(order, offer, quote, self._clock.now_ms())


def _refuse_what_is_not_offered(lines: Sequence[Line], offer: Offer) -> None:
    violations = [
        Violation(field=f"lines[{n}]", description=fault)
        for n, line in enumerate(lines)
        if (fault := selection_fault(line, offer))
    ]
    if violations:
        raise Refusal(Reason.MALFORMED, violations[0].description, violations=violations)
