"""Figures of the watch are told only where they mean something."""

import json

import pytest
from furlong.common.v1.round_pb2 import Round
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from benchmarks.watch import TransitionMissed, check_deliveries, cpu_figure, fanout_figure, state_json
from benchmarks.watchers import Seen


def test_the_fan_out_is_told_where_watchers_asked_for_more_than_they_got() -> None:
    figure = fanout_figure([9_000.0, 8_000.0], [10_000.0, 10_000.0], asked_per_s=30_000.0)

    assert figure.spread is not None
    assert figure.spread.median == pytest.approx(0.85)


def test_the_fan_out_is_left_out_where_watchers_got_what_they_asked_for() -> None:
    figure = fanout_figure([499.0], [10_000.0], asked_per_s=500.0)

    assert figure.spread is None
    assert "500/s" in figure.note


def test_processor_time_is_compared_round_by_round() -> None:
    figure = cpu_figure([1.0, 2.0], [10.0, 10.0], key="cpu_vs_ticking")

    assert figure.spread is not None
    assert figure.spread.median == pytest.approx(0.15)


def test_processor_time_is_not_compared_to_less_than_the_kernel_counts() -> None:
    figure = cpu_figure([1.0, 2.0], [10.0, 0.0], key="cpu_vs_ticking")

    assert figure.spread is None
    assert "--watchers" in figure.note


@pytest.mark.parametrize(
    "seen",
    [
        Seen(connected=2, missed=1, latencies_ms=[1.0]),
        Seen(connected=2),  # nobody saw anything
    ],
)
def test_a_run_in_which_a_delivery_is_missing_gives_no_figures(seen: Seen) -> None:
    with pytest.raises(TransitionMissed):
        check_deliveries(seen)


def test_the_peer_is_given_what_the_frame_says() -> None:
    frame = WatchRoundsResponse(round=Round(round_id=7), transition_seq=3)

    state = json.loads(state_json(frame.SerializeToString().hex()))

    assert state == {"round": {"roundId": "7"}, "transitionSeq": "3"}
