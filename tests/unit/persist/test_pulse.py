"""The pulse is gone after two answers that did not come, back with the next, and goes on whatever goes wrong."""

import asyncio

import pytest
from structlog.testing import capture_logs

from services.persist.pulse import Pulse


async def test_two_missing_answers_in_a_row_end_it_and_one_brings_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.persist.pulse.INTERVAL_S", 0.0)
    turns: list[bool | Exception] = [False, True, RuntimeError("a defect"), False, False, True]
    beats: list[bool] = []
    all_asked = asyncio.Event()

    async def answers() -> bool:
        beats.append(pulse.beats())
        if not turns:
            all_asked.set()
            await asyncio.Event().wait()
        turn = turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn

    pulse = Pulse(answers)
    with capture_logs() as logs:
        pulse.start()
        async with asyncio.timeout(5):
            await all_asked.wait()
    assert beats == [True, True, True, True, False, False, True]
    assert [(entry["event"], entry["exc_info"]) for entry in logs] == [("pulse_failed", True)]
    await pulse.close()
    assert not pulse.beats()
