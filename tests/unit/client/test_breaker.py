"""The breaker's states, with a clock that the test holds."""

from dataclasses import dataclass, field

import grpc
import pytest
from furlong.client.breaker import TRIPS, Admission, Breaker, BreakerChange, BreakerSettings, BreakerState
from furlong.client.errors import NotSent

OK, DOWN = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE
SETTINGS = BreakerSettings(failures_max=3, open_ms=500)


@dataclass(slots=True)
class Bench:
    """A breaker on the bench, its clock and what it reported."""

    now_s: float = 1_000.0
    changes: list[BreakerChange] = field(default_factory=list)
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker("persist:1", SETTINGS, on_change=self.changes.append, monotonic_s=lambda: self.now_s)

    def run(self, *codes: grpc.StatusCode | None) -> None:
        for code in codes:
            self.breaker.admit().settle(code)

    def is_kept(self) -> bool:
        try:
            self.breaker.admit()
        except NotSent:
            return True
        return False

    def probe(self) -> Admission:
        """Open it, wait, and let the probe out."""
        self.run(DOWN, DOWN, DOWN)
        self.now_s += 0.5
        admission = self.breaker.admit()
        assert admission.probe
        return admission


@pytest.fixture
def bench() -> Bench:
    return Bench()


REFUSED, SHED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ([OK] * 9, CLOSED),
        ([DOWN, DOWN], CLOSED),
        ([DOWN, DOWN, DOWN], OPEN),
        ([DOWN, DOWN, OK, DOWN, DOWN], CLOSED),
        ([DOWN, DOWN, REFUSED, DOWN, DOWN], CLOSED),
        ([REFUSED] * 9, CLOSED),
        ([SHED] * 9, CLOSED),
        ([None] * 9, CLOSED),
        ([DOWN, None, DOWN, None, DOWN], OPEN),
        ([grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED], OPEN),
    ],
)
def test_failures_in_a_row_open_it(bench: Bench, codes: list[grpc.StatusCode | None], state: BreakerState) -> None:
    bench.run(*codes)
    assert bench.breaker.state is state


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_only_the_statuses_that_trip_it_open_it(bench: Bench, code: grpc.StatusCode) -> None:
    bench.run(code, code, code)
    assert (bench.breaker.state is OPEN) == (code in TRIPS)


def test_it_keeps_calls_until_its_time_is_over(bench: Bench) -> None:
    bench.run(DOWN, DOWN, DOWN)
    bench.now_s += 0.499
    assert bench.is_kept()
    bench.now_s += 0.001
    assert not bench.is_kept()


def test_half_open_lets_one_call_out_at_a_time(bench: Bench) -> None:
    bench.probe()
    assert all(bench.is_kept() for _ in range(20))


def test_an_answer_to_the_probe_closes_it(bench: Bench) -> None:
    bench.probe().settle(REFUSED)
    assert bench.breaker.state is CLOSED
    assert not bench.is_kept()
    assert not bench.is_kept()


def test_a_failed_probe_opens_it_for_the_whole_time_again(bench: Bench) -> None:
    probe = bench.probe()
    bench.now_s += 10
    probe.settle(DOWN)
    bench.now_s += 0.499
    assert bench.is_kept()
    bench.now_s += 0.001
    assert not bench.is_kept()


def test_a_probe_without_a_verdict_leaves_its_place_to_the_next_call(bench: Bench) -> None:
    bench.probe().settle(None)
    assert bench.breaker.state is HALF_OPEN
    assert bench.breaker.admit().probe


def test_a_probe_that_let_another_out_is_still_heard(bench: Bench) -> None:
    silent = bench.probe()
    silent.release()
    assert bench.breaker.admit().probe
    silent.settle(OK)
    assert bench.breaker.state is CLOSED


@pytest.mark.parametrize("code", [OK, DOWN])
def test_a_verdict_from_before_it_opened_counts_no_more(bench: Bench, code: grpc.StatusCode) -> None:
    late = bench.breaker.admit()
    probe = bench.probe()
    late.settle(code)
    assert bench.breaker.state is HALF_OPEN
    assert bench.is_kept()
    probe.settle(OK)
    assert bench.breaker.state is CLOSED


def test_a_verdict_counts_once(bench: Bench) -> None:
    admission = bench.breaker.admit()
    for _ in range(9):
        admission.settle(DOWN)
    assert bench.breaker.state is CLOSED


def test_every_change_of_state_is_reported(bench: Bench) -> None:
    bench.probe().settle(DOWN)
    bench.now_s += 0.5
    bench.run(OK)
    assert [(change.target, change.before, change.after) for change in bench.changes] == [
        ("persist:1", CLOSED, OPEN),
        ("persist:1", OPEN, HALF_OPEN),
        ("persist:1", HALF_OPEN, OPEN),
        ("persist:1", OPEN, HALF_OPEN),
        ("persist:1", HALF_OPEN, CLOSED),
    ]
