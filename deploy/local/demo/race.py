"""Where each runner is while a race is on, by the keyframes that the game has published."""

from collections.abc import Mapping

from furlong.common.v1.round_pb2 import Race, RaceRunner

LINE = 100_000
US_PER_MS = 1_000


def positions(race: Race, at_ms: float) -> Mapping[int, float]:
    """How far each runner has come `at_ms` after the start, 0 to 1 of the course; whoever has arrived stays at 1.

    Between keyframes everybody runs on straight.
    """
    return {runner.runner: _position(runner, race.interval_ms, at_ms) for runner in race.runners}


def won_ms(race: Race) -> float:
    """When the winner passes the line, counted from the start."""
    return min((runner.arrives_us for runner in race.runners if runner.arrives_us), default=0) / US_PER_MS


def _position(runner: RaceRunner, interval_ms: int, at_ms: float) -> float:
    if 0 < runner.arrives_us <= at_ms * US_PER_MS:
        return 1.0
    frame, into_ms = divmod(max(at_ms, 0.0), interval_ms)
    before = runner.covered[min(int(frame), len(runner.covered) - 1)]
    after = runner.covered[min(int(frame) + 1, len(runner.covered) - 1)]
    return min((before + (after - before) * into_ms / interval_ms) / LINE, 1.0)
