"""What of a track does not sell while the rest of it does: markets, runners of a round, and terminals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.persist.domain.ticket import Order

SUSPENSIONS_MAX: Final = 200
"""How many parts of one track may be suspended: every batch of its tickets reads them all."""

_MARKETS: Final[Mapping[int, str]] = MappingProxyType({1: "WIN", 2: "PLACE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Exactly one of a market, a runner and a terminal; the others are 0 or empty."""

    market: int = 0
    runner: int = 0
    terminal: str = ""

    def __str__(self) -> str:
        """Name it in words."""
        if self.market:
            return f"market {_MARKETS.get(self.market, self.market)}"
        return f"runner {self.runner}" if self.runner else f"terminal {self.terminal}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A part that is suspended, why and since when. A runner's is of one round; otherwise `round_id` is 0."""

    part: Part
    round_id: int
    reason: str
    since: datetime


class Suspended:
    """The parts that are suspended in one round, to hold orders against."""

    __slots__ = ("_markets", "_runners", "_terminals")

    def __init__(self, parts: Iterable[Part]) -> None:
        of_it = list(parts)
        self._markets = frozenset([part.market for part in of_it if part.market])
        self._runners = frozenset([part.runner for part in of_it if part.runner])
        self._terminals = frozenset([part.terminal for part in of_it if part.terminal])

    def __bool__(self) -> bool:
        """Tell whether anything is; nearly always nothing, and then no order is looked at."""
        return bool(self._markets or self._runners or self._terminals)

    def refuses(self, order: Order) -> str:
        """Say in words what of an order is suspended; empty where nothing is."""
        if order.terminal in self._terminals:
            return f"terminal {order.terminal} is suspended"
        for line in order.lines:
            if line.market in self._markets:
                return f"betting on {_MARKETS.get(line.market, line.market)} is suspended"
            if not self._runners.isdisjoint(line.selection):
                return f"betting on runner {min(self._runners.intersection(line.selection))} is suspended"
        return ""


NOTHING_SUSPENDED: Final = Suspended(())
