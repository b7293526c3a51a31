"""An order and what the rules of racing say to it.

Whether the round is open, the account has money and the request id is new is decided by the store, inside the
transaction that accepts the ticket. Here stands only what can be told from the order and the round's offer, both of
which never change.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final, NamedTuple

from services.game.domain.round import Round
from services.game.domain.track import Limits


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
    """

    request_id: str
    account_id: str
    lines: tuple[Line, ...]
    terminal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can be bet on in a round: prices by market and runner, in hundredths, and the limits on stakes.

    `locks_at_ms` is when that ends, in milliseconds since the Unix epoch.
    """

    round_id: int
    track: str
    locks_at_ms: int
    prices: Mapping[tuple[int, int], int]
    limits: Limits


class Judgement(NamedTuple):
    """What the rules of racing say: UNDECIDED where they have nothing against the order, else a refusal in words.

    `lines` have the prices that the ticket will keep; a refused order's are as they were sent.
    """

    verdict: Verdict
    reason: str
    lines: tuple[Line, ...]


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
    )


def judge(order: Order, offer: Offer) -> Judgement:
    """Hold an order against the rules, rule by rule in the order of precedence."""
    for verdict, rule in RULES:
        for line in order.lines:
            if reason := rule(line, offer):
                return Judgement(verdict=verdict, reason=reason, lines=order.lines)
    return Judgement(verdict=Verdict.UNDECIDED, reason="", lines=_at_kept_prices(order.lines, offer))


def on_no_round(order: Order, round_id: int) -> Judgement:
    """Answer an order on a round that does not exist: nothing else can be told about it."""
    return Judgement(verdict=Verdict.ROUND_NOT_FOUND, reason=f"there is no round {round_id}", lines=order.lines)


def _selection(line: Line, offer: Offer) -> str:
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


def _stake_below(line: Line, offer: Offer) -> str:
    if line.stake_minor >= offer.limits.stake_min_minor:
        return ""
    return f"a stake of {line.stake_minor} is below the minimum of {offer.limits.stake_min_minor} minor units"


def _stake_above(line: Line, offer: Offer) -> str:
    if line.stake_minor <= offer.limits.stake_max_minor:
        return ""
    return f"a stake of {line.stake_minor} is above the maximum of {offer.limits.stake_max_minor} minor units"


RULES: Final[Sequence[tuple[Verdict, Callable[[Line, Offer], str]]]] = (
    (Verdict.INVALID_SELECTION, _selection),
    (Verdict.PRICE_CHANGED, _price),
    (Verdict.STAKE_BELOW_MIN, _stake_below),
    (Verdict.STAKE_ABOVE_MAX, _stake_above),
)
"""Each rule says in words what is wrong with a line, or nothing; the rules before it held for every line."""


def _at_kept_prices(lines: tuple[Line, ...], offer: Offer) -> tuple[Line, ...]:
    if EACH_WAY in [line.market for line in lines]:
        lines = tuple([part for line in lines for part in _parts(line)])
    return tuple(
        [
            line
            if line.price_hundredths
            else Line(line.market, line.runners, line.stake_minor, offer.prices[line.market, line.runners[0]])
            for line in lines
        ]
    )


def _parts(line: Line) -> tuple[Line, ...]:
    """Part an each-way line; whatever price it named was that of its WIN part, so the other takes the one offered."""
    if line.market != EACH_WAY:
        return (line,)
    win, place = PARTS_OF_EACH_WAY
    return line._replace(market=win), line._replace(market=place, price_hundredths=0)


def content_hash(round_id: int, order: Order) -> bytes:
    """Give 32 bytes that two orders share only if they ask for the same thing; it tells a repeat from another order.

    SHA-256 over, all big-endian: round_id (8 bytes), account_id (16), the number of lines (2), and per line: market
    (4, signed), the number of runners (2), each runner (4, signed), stake_minor and price_hundredths as they were sent
    (8 each, signed). The request id is not part of it: it is what the hash is kept under.
    """
    parts = [_HEAD.pack(round_id, bytes.fromhex(order.account_id.replace("-", "")), len(order.lines))]
    parts += [
        _line_form(len(runners)).pack(market, len(runners), *runners, stake_minor, price_hundredths)
        for market, runners, stake_minor, price_hundredths in order.lines
    ]
    return hashlib.sha256(b"".join(parts)).digest()


_HEAD: Final = struct.Struct(">q16sH")


@cache
def _line_form(runners: int) -> struct.Struct:
    """How a line with so many runners is encoded; there are as many forms as a line may have runners."""
    return struct.Struct(f">iH{runners}iqq")
