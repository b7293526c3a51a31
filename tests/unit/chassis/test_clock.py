"""The machine's clock sleeps until a time of day, whatever is done to the wall clock meanwhile."""

import asyncio

import pytest

from services.chassis.clock import SLEEP_LOOK_MS_MAX, SystemClock


class SteppedClock(SystemClock):
    """Its wall clock goes by a script, one reading after another."""

    def __init__(self, *readings_ms: int) -> None:
        self._readings_ms = list(readings_ms)

    def now_ms(self) -> int:
        return self._readings_ms.pop(0)


@pytest.mark.parametrize(
    ("readings_ms", "until_ms", "slept_s"),
    [
        ((1_000,), 1_000, []),
        ((1_500,), 1_000, []),
        ((700, 1_000), 1_000, [0.3]),
        ((700, 999, 1_000), 1_000, [0.3, 0.001]),
        ((0, 9_999, 10_000), 10_000, [SLEEP_LOOK_MS_MAX / 1_000, 0.001]),
        ((900, 500, 1_000), 1_000, [0.1, 0.5]),
    ],
)
async def test_it_wakes_when_the_wall_clock_says_so(
    monkeypatch: pytest.MonkeyPatch, readings_ms: tuple[int, ...], until_ms: int, slept_s: list[float]
) -> None:
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    await SteppedClock(*readings_ms).sleep_until_ms(until_ms)
    assert slept == slept_s
