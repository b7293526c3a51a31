"""A race card: the field of a race, which can be run any number of times."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A runner by its saddle-cloth number.

    It wins with probability `weight` over the sum of the weights in its field. Its prices are 0 on a card, which has
    none, and where a market is not offered.
    """

    runner: int
    name: str
    weight: int
    win_price_hundredths: int = 0
    place_price_hundredths: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceCard:
    """A race with its runners in the order of their numbers. `card_id` is 0 until the store gives one."""

    card_id: int = 0
    name: str
    distance_m: int
    runners: tuple[Runner, ...]
