"""The traces are what their README says, and L1's policy keeps up with its rivals on their beginnings."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.hit_ratio import POLICIES, TRACES, compare
from benchmarks.traces import shapes
from benchmarks.traces.recorded import FILE, rounds, write
from benchmarks.traces.trace import Trace

GAP_PP_MAX = 1.0
REQUESTS = 40_000

DIGESTS = [
    (shapes.drift, "405f0cc639fd56a4"),
    (shapes.scans, "dcffb011f3e26a04"),
    (shapes.loop, "27b865ec8ade4544"),
    (shapes.bursts, "9e02e570e4036820"),
]


@pytest.mark.parametrize(("make", "digest"), DIGESTS)
def test_a_trace_that_is_made_is_always_the_same(make: Callable[[], Trace], digest: str) -> None:
    trace = make()
    text = " ".join(f"{key}:{trace.weights[key]}" for key in trace.requests)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_a_recording_reads_as_it_was_written(tmp_path: Path) -> None:
    requests = [7, 9, 7, 7, 300, 9, 7]
    write(tmp_path / "trace", requests, {7: 1, 9: 127, 300: 128})
    numbered = {7: 0, 9: 1, 300: 2}
    read = rounds(tmp_path / "trace")
    assert list(read.requests) == [numbered[key] for key in requests]
    assert read.weights == {0: 1, 1: 127, 2: 128}


def test_the_recording_is_small_and_of_real_entries() -> None:
    assert FILE.stat().st_size < 300_000
    trace = rounds()
    assert set(trace.requests) == set(trace.weights)
    assert min(trace.weights.values()) > 500


@pytest.mark.parametrize("make", TRACES)
def test_ours_stays_close_to_the_better_rival_on_each_trace(make: Callable[[], Trace]) -> None:
    trace = make()
    [outcome] = compare(replace(trace, bounds=trace.bounds[:1]), REQUESTS)
    assert outcome.gap_pp <= GAP_PP_MAX, outcome


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_keeps_everything_while_there_is_room_and_never_too_much(name: str) -> None:
    policy = POLICIES[name](1_000_000)
    assert not any(policy.request(key, 1_000) for key in range(900))
    assert all(policy.request(key, 1_000) for key in range(900))
    policy = POLICIES[name](1_000_000)
    for key in range(5_000):
        policy.request(key, 1_000)
    assert sum(policy.request(key, 1_000) for key in range(5_000)) <= 1_000
