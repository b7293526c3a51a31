"""An order and what the rules of racing say to it.

Whether the round is open, the account has money and the request id is new is decided by the store, inside the
transaction that accepts the ticket. Here stands only what can be told from the order and the round's offer. Where the
offer's prices may have moved, the store compares their revision and has the order judged again.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from services.game.domain.quote import Quote, quote_fault
from services.game.domain.round import Round
from services.game.domain.track import Limits, Source

NO_REVISION: Final = -1
"""The revision of prices by which nothing was judged."""


class Market(IntEnum):
    """The question that a bet answers. The numbers are those of the wire.

    EACH_WAY is asked for and never kept: it becomes a line to WIN and one to PLACE, each of the line's stake.
    """

    WIN = 1
    PLACE = 2
    EACH_WAY = 3


EACH_WAY: Final = int(Market.EACH_WAY)
PARTS_OF_EACH_WAY: Final = (int(Market.WIN), int(Market.PLACE))


class Verdict(IntEnum):
    """The answer to an order, in order of precedence: the lowest that is true. The numbers are those of the wire."""

    UNDECIDED = 0
    ACCEPTED = 1
    REQUEST_ID_EXPIRED = 2
    REQUEST_ID_REUSED = 3
    ROUND_NOT_FOUND = 4
    BETTING_CLOSED = 5
    SUSPENDED = 6
    INVALID_SELECTION = 7
    PRICE_CHANGED = 8
    STAKE_BELOW_MIN = 9
    STAKE_ABOVE_MAX = 10
    LIABILITY_EXCEEDED = 11
    ACCOUNT_NOT_FOUND = 12
    ACCOUNT_BLOCKED = 13
    INSUFFICIENT_FUNDS = 14


class PricePolicy(IntEnum):
    """Which prices an order takes. The numbers are those of the wire."""

    UNSPECIFIED = 0
    ANY = 1
    BETTER = 2
    EXACT = 3


class Line(NamedTuple):
    """One bet: `market` is a number of the wire and may be none that we know; a price of 0 is "the current one".

    Lines, orders and judgements are named tuples, because thousands are made a second: a frozen dataclass costs four
    times as much.
    """

    market: int
    runners: tuple[int, ...]
    stake_minor: int
    price_hundredths: int


class Order(NamedTuple):
    """A ticket as a client asks for it. Both ids are UUIDs in canonical form.

    `terminal` is what sells it, empty where none is named. It is no part of what is asked for.

    `price_policy` is a number of `PricePolicy`; with a `quote`, the prices that it holds are those offered.
    """

    request_id: str
    account_id: str
    lines: tuple[Line, ...]
    terminal: str = ""
    price_policy: int = PricePolicy.UNSPECIFIED
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can be bet on in a round: prices by market and runner, in hundredths, and the limits on stakes.

    `locks_at_ms` is when that ends, in milliseconds since the Unix epoch. `price_revision` is that of the prices, which
    move only where `moves` says so.
    """

    round_id: int
    track: str
    locks_at_ms: int
    prices: Mapping[tuple[int, int], int]
    limits: Limits
    price_revision: int = 0
    moves: bool = False


class Judgement(NamedTuple):
    """What the rules of racing say: UNDECIDED where they have nothing against the order, else a refusal in words.

    `lines` have the prices that the ticket will keep; a refused order's are as they were sent. `price_revision` is that
    of the prices that it was judged by, NO_REVISION where it does not depend on them. `held_until_ms` is when a quote
    holds no more, in milliseconds since the Unix epoch; 0 without one.
    """

    verdict: Verdict
    reason: str
    lines: tuple[Line, ...]
    price_revision: int = NO_REVISION
    held_until_ms: int = 0


def offer_of(round_: Round) -> Offer:
    """Give what can be bet on in a round; EACH_WAY stands with the price of its WIN part, which an order may name."""
    win, place = PARTS_OF_EACH_WAY
    prices = {(win, runner.runner): runner.win_price_hundredths for runner in round_.runners}
    for runner in round_.runners:
        if runner.place_price_hundredths:
            prices[place, runner.runner] = runner.place_price_hundredths
            prices[EACH_WAY, runner.runner] = runner.win_price_hundredths
    return Offer(
        round_id=round_.round_id,
        track=round_.track,
        locks_at_ms=round_.schedule.locks_at_ms,
        prices=prices,
        limits=round_.limits,
        price_revision=round_.price_revision,
        moves=round_.terms.source is Source.ENTERED,
    )


def judge(order: Order, offer: Offer) -> Judgement:
    """Hold an order against the rules, rule by rule in the order of precedence."""
    for verdict, rule in RULES[order.price_policy]:
        for line in order.lines:
            if reason := rule(line, offer):
                revision = offer.price_revision if verdict >= Verdict.PRICE_CHANGED else NO_REVISION
                return Judgement(verdict, reason, order.lines, revision)
    take = at_offered_prices if order.price_policy else _at_kept_prices
    return Judgement(Verdict.UNDECIDED, "", take(_parted(order.lines), offer), offer.price_revision)


def judge_quoted(order: Order, offer: Offer, quote: Quote | None, now_ms: int) -> Judgement:
    """Hold an order with a quote against the rules: the prices offered are those that the quote holds.

    `quote` is None where it is none of ours. The judgement depends on nothing that moves.
    """
    judged = judge(order, offer)
    if judged.verdict and judged.verdict < Verdict.PRICE_CHANGED:
        return judged
    if fault := quote_fault(quote, offer.round_id, lines_hash(order.lines), now_ms):
        return Judgement(Verdict.PRICE_CHANGED, fault, order.lines)
    assert quote is not None, "a quote without a fault is there"
    judged = judge(order, replace(offer, prices=quote.prices, price_revision=NO_REVISION))
    return judged if judged.verdict else judged._replace(held_until_ms=quote.expires_at_ms)


def out_of_breath(order: Order) -> Judgement:
    """Refuse an order that was judged again and again, while the prices moved each time before it was accepted."""
    return Judgement(Verdict.PRICE_CHANGED, "the prices moved faster than the order", order.lines)


def lines_hash(lines: tuple[Line, ...]) -> bytes:
    """Give 32 bytes that lines share only if they bet the same stakes on the same selections, in the same order.

    SHA-256 over, per line and big-endian: market (4 bytes, signed), the number of runners (2), each runner (4, signed)
    and stake_minor (8, signed).
    """
    parts = [
        struct.pack(f">iH{len(runners)}iq", market, len(runners), *runners, stake_minor)
        for market, runners, stake_minor, _ in lines
    ]
    return hashlib.sha256(b"".join(parts)).digest()


def on_no_round(order: Order, round_id: int) -> Judgement:
    """Answer an order on a round that does not exist: nothing else can be told about it."""
    return Judgement(verdict=Verdict.ROUND_NOT_FOUND, reason=f"there is no round {round_id}", lines=order.lines)


def selection_fault(line: Line, offer: Offer) -> str:
    """Say in words why a line bets on nothing that is offered; nothing where it does."""
    if len(line.runners) == 1 and (line.market, line.runners[0]) in offer.prices:
        return ""
    if line.market not in [market for market, _ in offer.prices]:
        return f"market {_name(line.market)} is not offered"
    if len(line.runners) != 1:
        return f"{_name(line.market)} takes one runner, not {len(line.runners)}"
    return f"runner {line.runners[0]} is not offered to {_name(line.market)}"


def _name(market: int) -> str:
    return _NAMES.get(market, str(market))


_NAMES: Final[Mapping[int, str]] = {int(market): market.name for market in Market}


def _price(line: Line, offer: Offer) -> str:
    offered = offer.prices[line.market, line.runners[0]]
    if line.price_hundredths in (0, offered):
        return ""
    return f"runner {line.runners[0]} is offered at {offered}, not at {line.price_hundredths} hundredths"


def _price_or_better(line: Line, offer: Offer) -> str:
    offered = offer.prices[line.market, line.runners[0]]
    if offered >= line.price_hundredths:
        return ""
    return f"runner {line.runners[0]} is offered at {offered}, below {line.price_hundredths} hundredths"


def _stake_below(line: Line, offer: Offer) -> str:
    if line.stake_minor >= offer.limits.stake_min_minor:
        return ""
    return f"a stake of {line.stake_minor} is below the minimum of {offer.limits.stake_min_minor} minor units"


def _stake_above(line: Line, offer: Offer) -> str:
    if line.stake_minor <= offer.limits.stake_max_minor:
        return ""
    return f"a stake of {line.stake_minor} is above the maximum of {offer.limits.stake_max_minor} minor units"


Rules: TypeAlias = Sequence[tuple[Verdict, Callable[[Line, Offer], str]]]
"""Each rule says in words what is wrong with a line, or nothing; the rules before it held for every line."""


def _rules(price: Callable[[Line, Offer], str] | None) -> Rules:
    prices = () if price is None else ((Verdict.PRICE_CHANGED, price),)
    return (
        (Verdict.INVALID_SELECTION, selection_fault),
        *prices,
        (Verdict.STAKE_BELOW_MIN, _stake_below),
        (Verdict.STAKE_ABOVE_MAX, _stake_above),
    )


RULES: Final[Mapping[int, Rules]] = MappingProxyType(
    {
        PricePolicy.UNSPECIFIED: _rules(_price),
        PricePolicy.ANY: _rules(None),
        PricePolicy.BETTER: _rules(_price_or_better),
        PricePolicy.EXACT: _rules(_price),
    }
)
"""The rules by the policy of the order."""


def _at_kept_prices(lines: tuple[Line, ...], offer: Offer) -> tuple[Line, ...]:
    return tuple(
        [
            line
            if line.price_hundredths
            else Line(line.market, line.runners, line.stake_minor, offer.prices[line.market, line.runners[0]])
            for line in lines
        ]
    )


def at_offered_prices(lines: tuple[Line, ...], offer: Offer) -> tuple[Line, ...]:
    """Give lines, which are offered, the prices offered; an each-way line stays whole, with that of its WIN part."""
    return tuple(
        [
            Line(line.market, line.runners, line.stake_minor, offer.prices[line.market, line.runners[0]])
            for line in lines
        ]
    )


def parts_at_offered_prices(lines: tuple[Line, ...], offer: Offer) -> tuple[Line, ...]:
    """Give the lines that a ticket of these lines, which are offered, would have, at the prices offered."""
    return at_offered_prices(_parted(lines), offer)


def _parted(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Part each-way lines; whatever price one named was that of its WIN part, so the other takes the one offered."""
    if EACH_WAY not in [line.market for line in lines]:
        return lines
    return tuple([part for line in lines for part in _parts(line)])


def _parts(line: Line) -> tuple[Line, ...]:
    if line.market != EACH_WAY:
        return (line,)
    win, place = PARTS_OF_EACH_WAY
    return line._replace(market=win), line._replace(market=place, price_hundredths=0)


def selections(lines: Sequence[Line]) -> frozenset[tuple[int, int]]:
    """Name the prices, by market and runner, that lines depend on; an each-way line on those of its parts too."""
    return frozenset((line.market, line.runners[0]) for line in (*lines, *_parted(tuple(lines))))


def content_hash(round_id: int, order: Order) -> bytes:
    """Give 32 bytes that two orders share only if they ask for the same thing; it tells a repeat from another order.

    SHA-256 over, all big-endian: round_id (8 bytes), account_id (16), the number of lines (2), and per line: market
    (4, signed), the number of runners (2), each runner (4, signed), stake_minor and price_hundredths as they were sent
    (8 each, signed). An order with a price policy or a quote adds the policy (1) and the quote in ASCII. The request id
    is not part of it: it is what the hash is kept under.
    """
    parts = [_HEAD.pack(round_id, bytes.fromhex(order.account_id.replace("-", "")), len(order.lines))]
    parts += [
        _line_form(len(runners)).pack(market, len(runners), *runners, stake_minor, price_hundredths)
        for market, runners, stake_minor, price_hundredths in order.lines
    ]
    if order.price_policy or order.quote:
        parts.append(bytes((order.price_policy,)) + order.quote.encode("ascii"))
    return hashlib.sha256(b"".join(parts)).digest()


_HEAD: Final = struct.Struct(">q16sH")


@cache
def _line_form(runners: int) -> struct.Struct:
    """How a line with so many runners is encoded; there are as many forms as a line may have runners."""
    return struct.Struct(f">iH{runners}iqq")
