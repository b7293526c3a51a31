"""Who watches a track: how many, and which terminals; here and, as far as they can be heard, at the other games.

A game tells the others every `BEAT_MS` who watches at it. Who was not heard for `SILENT_MS` is taken for gone, with all
its watchers. Nothing depends on it, and all of it is bounded.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from services.chassis.clock import Clock
from services.game.ports import Attendance, Terminal

BEAT_MS: Final = 2_000
SILENT_MS: Final = 7_000
"""Three beats, and some."""
TERMINALS_TOLD_MAX: Final = 500
"""As many as one message to the other games holds."""
GAMES_MAX: Final = 100
MOVES_MAX: Final = 100


class Way(IntEnum):
    """Whether a terminal came or went. The numbers are those of the wire."""

    JOINED = 1
    LEFT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A terminal that came or went, and when it was noticed here."""

    terminal: str
    way: Way
    at_ms: int


class Presence:
    """Who watches one track. `game` is this game's id among the others."""

    def __init__(self, *, game: str, clock: Clock) -> None:
        self._game = game
        self._clock = clock
        self._watchers = 0
        self._here: dict[str, Terminal] = {}
        self._others: dict[str, tuple[Attendance, int]] = {}
        self._games: Counter[str] = Counter()  # at how many games a terminal is
        self._moves: deque[Move] = deque(maxlen=MOVES_MAX)

    def join(self, terminal: str) -> None:
        """Count a watcher; `terminal` is empty where it is none."""
        self._watchers += 1
        if not terminal:
            return
        known = self._here.get(terminal)
        if known is None:
            known = Terminal(terminal=terminal, since_ms=self._clock.now_ms(), streams=0)
            self._came(terminal)
        self._here[terminal] = Terminal(terminal=terminal, since_ms=known.since_ms, streams=known.streams + 1)

    def leave(self, terminal: str) -> None:
        """Count a watcher no more."""
        self._watchers -= 1
        if not terminal:
            return
        known = self._here.pop(terminal)
        if known.streams > 1:
            self._here[terminal] = Terminal(terminal=terminal, since_ms=known.since_ms, streams=known.streams - 1)
        else:
            self._went(terminal)

    def hear(self, told: Attendance) -> None:
        """Take what another game told of its watchers; what this one told is passed over."""
        if told.game == self._game:
            return
        before = self._others.pop(told.game, None)
        if before is None and len(self._others) >= GAMES_MAX:
            return
        names = {terminal.terminal for terminal in told.terminals}
        names_before = set() if before is None else {terminal.terminal for terminal in before[0].terminals}
        self._others[told.game] = told, self._clock.now_ms()
        for terminal in sorted(names - names_before):
            self._came(terminal)
        for terminal in sorted(names_before - names):
            self._went(terminal)

    def attendance(self, track: str) -> Attendance:
        """Tell who watches here."""
        terminals = tuple(self._here.values())[:TERMINALS_TOLD_MAX]
        return Attendance(track=track, game=self._game, watchers=self._watchers, terminals=terminals)

    @property
    def watchers(self) -> int:
        """How many watch, everywhere."""
        self._forget_silent()
        return self._watchers + sum(told.watchers for told, _ in self._others.values())

    @property
    def terminals(self) -> int:
        """How many terminals are connected, everywhere."""
        self._forget_silent()
        return len(self._games)

    def listed(self) -> Sequence[Terminal]:
        """The terminals that are connected, everywhere, by name."""
        self._forget_silent()
        listed: dict[str, Terminal] = {}
        told = [terminal for told, _ in self._others.values() for terminal in told.terminals]
        for terminal in [*self._here.values(), *told]:
            known = listed.get(terminal.terminal, terminal)
            listed[terminal.terminal] = Terminal(
                terminal=terminal.terminal,
                since_ms=min(known.since_ms, terminal.since_ms),
                streams=terminal.streams if known is terminal else known.streams + terminal.streams,
            )
        return [listed[name] for name in sorted(listed)]

    def moves(self) -> Sequence[Move]:
        """What terminals came and went of late, the latest first."""
        self._forget_silent()
        return tuple(reversed(self._moves))

    def _forget_silent(self) -> None:
        heard_after_ms = self._clock.now_ms() - SILENT_MS
        for game in [game for game, (_, heard_ms) in self._others.items() if heard_ms <= heard_after_ms]:
            told, _ = self._others.pop(game)
            for terminal in told.terminals:
                self._went(terminal.terminal)

    def _came(self, terminal: str) -> None:
        self._games[terminal] += 1
        if self._games[terminal] == 1:
            self._moves.append(Move(terminal=terminal, way=Way.JOINED, at_ms=self._clock.now_ms()))

    def _went(self, terminal: str) -> None:
        self._games[terminal] -= 1
        if not self._games[terminal]:
            del self._games[terminal]
            self._moves.append(Move(terminal=terminal, way=Way.LEFT, at_ms=self._clock.now_ms()))
