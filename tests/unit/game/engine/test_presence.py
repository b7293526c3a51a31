"""Presence counts who watches everywhere, and forgets a game that cannot be heard."""

from services.game.engine.broadcast.presence import GAMES_MAX, MOVES_MAX, SILENT_MS, TERMINALS_TOLD_MAX, Presence, Way
from services.game.ports import Attendance, Terminal
from tests.clocks import ManualClock
from tests.rounds import TRACK


def presence() -> tuple[Presence, ManualClock]:
    clock = ManualClock(1_000)
    return Presence(game="here", clock=clock), clock


def told(*terminals: str, game: str = "there", watchers: int = 0) -> Attendance:
    return Attendance(
        track=TRACK.track,
        game=game,
        watchers=watchers or len(terminals),
        terminals=tuple(Terminal(terminal=terminal, since_ms=500, streams=1) for terminal in terminals),
    )


def moves(here: Presence) -> list[tuple[str, str]]:
    return [(move.terminal, move.way.name) for move in reversed(here.moves())]


def test_watchers_and_terminals_are_counted_everywhere() -> None:
    here, _ = presence()
    here.join("")
    here.join("till-1")
    here.hear(told("till-2", "till-3", watchers=7))

    assert (here.watchers, here.terminals) == (9, 3)
    assert [each.terminal for each in here.listed()] == ["till-1", "till-2", "till-3"]


def test_a_terminal_with_several_streams_came_with_the_first_and_goes_with_the_last() -> None:
    here, clock = presence()
    here.join("till-1")
    clock.advance_ms(1_000)
    here.join("till-1")
    assert [(each.since_ms, each.streams) for each in here.listed()] == [(1_000, 2)]
    here.leave("till-1")
    assert moves(here) == [("till-1", "JOINED")]
    here.leave("till-1")

    assert moves(here) == [("till-1", "JOINED"), ("till-1", "LEFT")]
    assert (here.watchers, here.terminals) == (0, 0)


def test_a_terminal_that_goes_from_one_game_to_another_has_not_left() -> None:
    here, _ = presence()
    here.join("till-1")
    here.hear(told("till-1"))
    here.leave("till-1")

    assert moves(here) == [("till-1", "JOINED")]
    assert [(each.terminal, each.since_ms) for each in here.listed()] == [("till-1", 500)]


def test_what_another_game_tells_takes_the_place_of_what_it_told_before() -> None:
    here, _ = presence()
    here.hear(told("till-1", "till-2"))
    here.hear(told("till-2", "till-3"))

    assert moves(here) == [("till-1", "JOINED"), ("till-2", "JOINED"), ("till-3", "JOINED"), ("till-1", "LEFT")]
    assert here.watchers == 2


def test_a_game_that_is_silent_is_gone_with_its_watchers() -> None:
    here, clock = presence()
    here.hear(told("till-1"))
    clock.advance_ms(SILENT_MS - 1)
    assert here.watchers == 1
    clock.advance_ms(1)

    assert (here.watchers, here.terminals, list(here.listed())) == (0, 0, [])
    assert [(move.way, move.at_ms) for move in here.moves()] == [(Way.LEFT, 1_000 + SILENT_MS), (Way.JOINED, 1_000)]


def test_what_this_game_told_is_passed_over_when_it_comes_back() -> None:
    here, _ = presence()
    here.join("till-1")
    here.hear(here.attendance(TRACK.track))

    assert (here.watchers, here.terminals) == (1, 1)


def test_everything_is_bounded() -> None:
    here, _ = presence()
    for n in range(TERMINALS_TOLD_MAX + 1):
        here.join(f"till-{n}")
    for n in range(GAMES_MAX + 1):
        here.hear(told(game=f"game-{n}", watchers=1))

    assert len(here.attendance(TRACK.track).terminals) == TERMINALS_TOLD_MAX
    assert here.watchers == TERMINALS_TOLD_MAX + 1 + GAMES_MAX
    assert len(here.moves()) == MOVES_MAX
