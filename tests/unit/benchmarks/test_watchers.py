"""What the watchers make of the frames that they are sent."""

import pytest
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse
from google.protobuf.timestamp_pb2 import Timestamp

from benchmarks.watchers import Deliveries, OutOfOrder, Seen

TRANSITION, UPDATE = WatchRoundsResponse.TRANSITION, WatchRoundsResponse.UPDATE


def frame(kind: WatchRoundsResponse.Kind.ValueType, transition_seq: int, made_at_ms: int = 1_000) -> bytes:
    server_time = Timestamp()
    server_time.FromMilliseconds(made_at_ms)
    message = WatchRoundsResponse(kind=kind, transition_seq=transition_seq, server_time=server_time)
    return message.SerializeToString()


@pytest.fixture
def deliveries() -> Deliveries:
    measured = Deliveries()
    measured.from_ms, measured.until_ms = 1_000.0, 2_000.0
    return measured


def test_a_latency_is_the_time_from_the_making_of_a_transition_to_each_watcher(deliveries: Deliveries) -> None:
    deliveries.take(1, frame(UPDATE, 4), at_ms=1_000)
    deliveries.take(1, frame(TRANSITION, 5, made_at_ms=1_500), at_ms=1_502.5)
    deliveries.take(2, frame(TRANSITION, 5, made_at_ms=1_500), at_ms=1_510)

    assert deliveries.latencies_ms == [2.5, 10.0]
    assert deliveries.missed(watchers=2) == 0


@pytest.mark.parametrize("made_at_ms", [999, 2_000])
def test_a_transition_outside_the_measured_time_is_not_counted(deliveries: Deliveries, made_at_ms: int) -> None:
    deliveries.take(1, frame(TRANSITION, 5, made_at_ms=made_at_ms), at_ms=2_001)

    assert deliveries.latencies_ms == []
    assert deliveries.missed(watchers=2) == 0


def test_a_frame_whose_time_was_rounded_up_is_not_early(deliveries: Deliveries) -> None:
    deliveries.take(1, frame(TRANSITION, 5, made_at_ms=1_500), at_ms=1_499.6)

    assert deliveries.latencies_ms == [0.0]


def test_a_transition_that_one_watcher_of_three_saw_is_missed_twice(deliveries: Deliveries) -> None:
    deliveries.take(1, frame(TRANSITION, 5), at_ms=1_001)

    assert deliveries.missed(watchers=3) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((UPDATE, 5), (TRANSITION, 5)),  # what the first frame showed comes again
        ((TRANSITION, 5), (TRANSITION, 5)),  # twice
        ((TRANSITION, 5), (TRANSITION, 7)),  # a gap
        ((TRANSITION, 5), (TRANSITION, 4)),  # backward
        ((TRANSITION, 5), (UPDATE, 6)),  # an update that knows of a transition that was not sent
    ],
)
def test_a_frame_out_of_order_ends_the_run(
    deliveries: Deliveries,
    first: tuple[WatchRoundsResponse.Kind.ValueType, int],
    second: tuple[WatchRoundsResponse.Kind.ValueType, int],
) -> None:
    deliveries.take(1, frame(*first), at_ms=1_001)

    with pytest.raises(OutOfOrder, match="watcher 1"):
        deliveries.take(1, frame(*second), at_ms=1_002)


def test_processor_time_is_told_for_one_watcher_and_one_minute() -> None:
    assert Seen(connected=100, seconds=30.0, cpu_s=1.0).cpu_ms_per_watcher_minute == pytest.approx(20.0)
