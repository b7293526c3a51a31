"""A call inherits the deadline of the call it serves."""

import asyncio
import time

import pytest
from furlong.client import deadline


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)


@pytest.mark.parametrize(
    #  inbound at, default, budget
    ("inbound_s", "default_s", "budget_s"),
    [
        (None, 2.0, 2.0),
        (110.0, 2.0, 2.0),
        (101.0, 2.0, 0.975),  # what is left, less 2 % for the wire and 5 ms
        (100.1, 2.0, 0.093),
        (100.005, 2.0, -0.0001),
        (90.0, 2.0, -9.805),
    ],
)
def test_a_call_gets_its_own_time_within_what_is_left(
    inbound_s: float | None, default_s: float, budget_s: float
) -> None:
    token = deadline.set_inbound(inbound_s)
    try:
        assert deadline.budget_s(default_s) == pytest.approx(budget_s)
    finally:
        deadline.reset(token)


def test_there_is_no_inbound_deadline_outside_a_call() -> None:
    assert deadline.inbound() is None


def test_reset_brings_the_deadline_before_back() -> None:
    outer = deadline.set_inbound(105.0)
    inner = deadline.set_inbound(101.0)
    deadline.reset(inner)
    assert deadline.inbound() == 105.0
    deadline.reset(outer)
    assert deadline.inbound() is None


async def test_a_task_inherits_the_deadline_and_cannot_change_its_parents() -> None:
    async def child() -> float | None:
        inherited = deadline.inbound()
        deadline.set_inbound(None)
        return inherited

    token = deadline.set_inbound(105.0)
    assert await asyncio.create_task(child()) == 105.0
    assert deadline.inbound() == 105.0
    deadline.reset(token)
