"""Waits double, are bounded and differ."""

import pytest
from furlong.client.backoff import ASKED_MS_MAX, Backoff


@pytest.mark.parametrize(
    ("chance", "waits_s"),
    [
        (0.0, [0.05, 0.1, 0.2, 0.4, 0.4]),
        (0.5, [0.0375, 0.075, 0.15, 0.3, 0.3]),
    ],
)
def test_each_wait_is_twice_the_one_before_up_to_its_bound(chance: float, waits_s: list[float]) -> None:
    backoff = Backoff(50, 400, lambda: chance)
    assert [backoff.next_s() for _ in waits_s] == pytest.approx(waits_s)


def test_it_begins_anew_after_progress() -> None:
    backoff = Backoff(50, 400, lambda: 0.0)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == pytest.approx(0.05)


def test_what_a_server_asks_for_comes_on_top_within_a_bound() -> None:
    backoff = Backoff(50, 400, lambda: 0.0)
    assert backoff.next_s(700) == pytest.approx(0.75)
    assert backoff.next_s(10 * ASKED_MS_MAX) == pytest.approx(ASKED_MS_MAX / 1000 + 0.1)
