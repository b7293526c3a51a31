"""Which entries stay when there is no room for all: the policy of L1.

    new ──▶ LOBBY ── pushed out, used meanwhile ──────────────────▶ MAIN ── its turn came, without a use left ──▶ gone
              │       in the order of use                            ▲       in turns; a turn takes one use
              └────── pushed out, never used ──▶ ghost ── comes back ┘
                                                          and wins its challenge, or else begins in the lobby again

 1. What is asked for once and never again passes through the lobby and disturbs nothing else.
 2. A ghost that comes back challenges the entry whose turn it is in main. That one loses a use if it has one left, and
    stays. So a loop that is longer than the cache does not wash main out: its entries are used as often as challenged.
 3. The lobby's share moves with what just missed. A ghost that left the lobby so lately that a slightly larger lobby
    would have kept it makes it larger; one that left main so lately makes it smaller. Where both are worth the same,
    it rests.
 4. Everything is counted in bytes.

Its parts are those of S3-FIFO; a lobby in the order of use, challenges and the moving share are our own, and the reason
why it stays close to the better of S3-FIFO and W-TinyLFU or ahead of both (see docs/cache.md and
`benchmarks/hit_ratio.py`, where their rivals are).
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

from services.cache.domain.ghosts import SLOT_BYTES, Ghosts, Left, age

LOBBY_SHARE: Final = 0.05
"""The lobby's share of the bytes at the start."""
LOBBY_SHARE_MIN: Final = 0.01
LOBBY_SHARE_MAX: Final = 0.8

REMEMBERED: Final = 1.0
"""How long a ghost of the lobby may come back and challenge: until so many times the bound has left after it."""
NEAR: Final = 0.1
"""How lately a ghost must have left to move the lobby's share, likewise."""

USES_MAX: Final = 3
"""Uses that an entry can save up, as turns in main that it survives."""

TURNS_MAX: Final = 64
"""Entries of main that are given a turn for one that goes; the last goes whatever it has saved up. It bounds the time
that a write can take."""

GHOSTS_SHARE_LOG2: Final = 5
"""The ghosts take one part in 32 to one in 64 of the bytes: two slots or more for each entry that fits beside them."""


class Place:
    """What the policy knows of an entry: its bytes, and the uses that it has left."""

    __slots__ = ("bytes", "uses")

    def __init__(self, taken: int) -> None:
        self.bytes = taken
        self.uses = 0


KeyT = TypeVar("KeyT", bound=Hashable)
PlaceT = TypeVar("PlaceT", bound=Place)


class Order(Generic[KeyT, PlaceT]):
    """Keys and their places. `bytes` never exceeds `bytes_max` when a method has returned.

    The ghosts take a little of what it is made with, and `bytes_max` is what they leave.
    """

    def __init__(self, granted_bytes: int) -> None:
        ghosts = Ghosts(max((granted_bytes >> GHOSTS_SHARE_LOG2) // SLOT_BYTES, 1).bit_length() - 1)
        self.bytes_max: Final = granted_bytes - ghosts.bytes
        self._ghosts: Final = ghosts
        self._lobby: OrderedDict[KeyT, PlaceT] = OrderedDict()
        self._main: OrderedDict[KeyT, PlaceT] = OrderedDict()
        self._lobby_bytes = 0
        self._main_bytes = 0
        self._lobby_bytes_max = LOBBY_SHARE * self.bytes_max
        self._left_lobby = 0
        self._left_main = 0
        self._filling = True

    @property
    def bytes(self) -> int:
        """What all places take."""
        return self._lobby_bytes + self._main_bytes

    @property
    def lobby_share(self) -> float:
        """How much of the bound the lobby may take now."""
        return self._lobby_bytes_max / self.bytes_max

    def use(self, key: KeyT) -> PlaceT | None:
        """Find a place and note that it was used."""
        place = self._main.get(key)
        if place is None:
            place = self._lobby.get(key)
            if place is None:
                return None
            self._lobby.move_to_end(key)
        if place.uses < USES_MAX:
            place.uses += 1
        return place

    def find(self, key: KeyT) -> PlaceT | None:
        """Find a place, which is no use of it."""
        return self._main.get(key) or self._lobby.get(key)

    def add(self, key: KeyT, place: PlaceT) -> list[tuple[KeyT, PlaceT]]:
        """Take a key in that is not there, of at most `bytes_max`, and tell which had to go for it."""
        assert place.bytes <= self.bytes_max, "what is larger than the bound is not added"
        gone: list[tuple[KeyT, PlaceT]] = []
        if self._comes_back(key) and self._wins(place.bytes, gone):
            self._into_main(key, place)
        else:
            self._lobby[key] = place
            self._lobby_bytes += place.bytes
        while self._filling and self._lobby_bytes > self._lobby_bytes_max and self.bytes <= self.bytes_max:
            self._into_main(*self._out_of_lobby())
        self._make_room(gone)
        return gone

    def weigh(self, key: KeyT, taken: int) -> list[tuple[KeyT, PlaceT]]:
        """Let a key that is there take other bytes, at most `bytes_max`, and tell which had to go, itself perhaps."""
        place = self._main.get(key)
        if place is not None:
            self._main_bytes += taken - place.bytes
        else:
            place = self._lobby[key]
            self._lobby_bytes += taken - place.bytes
        place.bytes = taken
        gone: list[tuple[KeyT, PlaceT]] = []
        self._make_room(gone)
        return gone

    def drop(self, key: KeyT) -> PlaceT | None:
        """Take a key out, if it is there, and leave no ghost of it."""
        place = self._main.pop(key, None)
        if place is not None:
            self._main_bytes -= place.bytes
            return place
        place = self._lobby.pop(key, None)
        if place is not None:
            self._lobby_bytes -= place.bytes
        return place

    def clear(self) -> None:
        """Take everything out. What is known of the keys' use stays true."""
        self._lobby.clear()
        self._main.clear()
        self._lobby_bytes = self._main_bytes = 0
        self._filling = True

    def __len__(self) -> int:
        return len(self._lobby) + len(self._main)

    def __iter__(self) -> Iterator[KeyT]:
        yield from self._lobby
        yield from self._main

    def _make_room(self, gone: list[tuple[KeyT, PlaceT]]) -> None:
        while self.bytes > self.bytes_max:
            self._filling = False
            self._push_out(gone)

    def _comes_back(self, key: KeyT) -> bool:
        """Tell whether a key may challenge main, and move the lobby's share by what its ghost teaches."""
        ghost = self._ghosts.take(key)
        if ghost is None:
            return False
        left, at = ghost
        if left is Left.MAIN:
            if age(at, self._left_main) <= NEAR * self.bytes_max:
                self._move_share(-self._mean_bytes())
            return False
        gone_for = age(at, self._left_lobby)
        if gone_for <= NEAR * self.bytes_max:
            self._move_share(self._mean_bytes())
        return gone_for <= REMEMBERED * self.bytes_max

    def _move_share(self, by: float) -> None:
        low, high = LOBBY_SHARE_MIN * self.bytes_max, LOBBY_SHARE_MAX * self.bytes_max
        self._lobby_bytes_max = min(max(self._lobby_bytes_max + by, low), high)

    def _mean_bytes(self) -> float:
        """One step of the share: large entries must not move it further than small ones do."""
        return self.bytes / max(len(self), 1)

    def _wins(self, taken: int, gone: list[tuple[KeyT, PlaceT]]) -> bool:
        """Let a newcomer challenge those whose turn it is in main, until they made room for it or one withstood."""
        if self._main_bytes + taken <= self.bytes_max - self._lobby_bytes_max:
            return True
        freed = 0
        while freed < taken and self._main:
            key, place = next(iter(self._main.items()))
            if place.uses:
                place.uses -= 1
                self._main.move_to_end(key)
                return False
            freed += place.bytes
            self._out_of_main(key, place, gone)
        return True

    def _push_out(self, gone: list[tuple[KeyT, PlaceT]]) -> None:
        """Move one key out of the lobby where it is too large, and out of main where it is not."""
        if self._main and (self._lobby_bytes <= self._lobby_bytes_max or len(self._lobby) == 1):
            self._give_turns(gone)
            return
        key, place = self._out_of_lobby()
        if place.uses:
            self._into_main(key, place)
            return
        self._left_lobby += place.bytes
        self._ghosts.put(key, Left.LOBBY, self._left_lobby)
        gone.append((key, place))

    def _give_turns(self, gone: list[tuple[KeyT, PlaceT]]) -> None:
        """Go through main until one has no use left."""
        for turn in range(TURNS_MAX):
            key, place = next(iter(self._main.items()))
            if not place.uses or turn == TURNS_MAX - 1:
                self._out_of_main(key, place, gone)
                return
            place.uses -= 1
            self._main.move_to_end(key)

    def _out_of_lobby(self) -> tuple[KeyT, PlaceT]:
        key, place = self._lobby.popitem(last=False)
        self._lobby_bytes -= place.bytes
        return key, place

    def _into_main(self, key: KeyT, place: PlaceT) -> None:
        place.uses = 0
        self._main[key] = place
        self._main_bytes += place.bytes

    def _out_of_main(self, key: KeyT, place: PlaceT, gone: list[tuple[KeyT, PlaceT]]) -> None:
        del self._main[key]
        self._main_bytes -= place.bytes
        self._left_main += place.bytes
        self._ghosts.put(key, Left.MAIN, self._left_main)
        gone.append((key, place))
