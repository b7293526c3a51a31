"""What a frame is to a watcher, as a table."""

import pytest
from furlong.client.rounds import Step, step_of
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

TRANSITION, UPDATE = WatchRoundsResponse.TRANSITION, WatchRoundsResponse.UPDATE
TICK, GAP = WatchRoundsResponse.TICK, WatchRoundsResponse.GAP
NEXT, OTHER, HOLE = Step.NEXT, Step.OTHER, Step.HOLE


@pytest.mark.parametrize(
    #  seen, kind, seq, step
    ("seen", "kind", "seq", "step"),
    [
        (0, UPDATE, 0, NEXT),  # the track has not opened a round yet
        (0, UPDATE, 7, NEXT),
        (0, TRANSITION, 7, NEXT),
        (7, TRANSITION, 6, OTHER),
        (7, TRANSITION, 7, OTHER),
        (7, TRANSITION, 8, NEXT),
        (7, TRANSITION, 9, HOLE),
        (7, UPDATE, 6, OTHER),
        (7, UPDATE, 7, NEXT),
        (7, UPDATE, 8, OTHER),  # its transition comes first
        (7, TICK, 6, OTHER),
        (7, TICK, 7, NEXT),
        (7, TICK, 8, OTHER),
        (7, GAP, 12, NEXT),
        (7, GAP, 3, NEXT),  # a store that lost its end says so
    ],
)
def test_a_watcher_takes_the_next_transition_and_what_shows_the_present(
    seen: int, kind: WatchRoundsResponse.Kind.ValueType, seq: int, step: Step
) -> None:
    assert step_of(WatchRoundsResponse(kind=kind, transition_seq=seq), seen) is step
