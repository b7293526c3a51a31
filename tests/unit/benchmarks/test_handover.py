"""The hand-over benchmark counts what its watcher missed, and knows a leader by its log."""

from pathlib import Path

import pytest
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from benchmarks.handover import TRACK, Watched, epochs_of


@pytest.mark.parametrize(
    ("frames", "missed"),
    [
        ([("UPDATE", 4)], 0),
        ([("UPDATE", 4), ("TRANSITION", 5), ("TICK", 5), ("TRANSITION", 6)], 0),
        ([("UPDATE", 4), ("TRANSITION", 5), ("TRANSITION", 8)], 2),
        ([("TRANSITION", 5), ("GAP", 9), ("TRANSITION", 10)], 5),
    ],
)
def test_transitions_that_did_not_come_are_missed(frames: list[tuple[str, int]], missed: int) -> None:
    watched = Watched()
    for kind, number in frames:
        watched.note(WatchRoundsResponse(kind=WatchRoundsResponse.Kind.Value(kind), transition_seq=number))

    assert watched.missed == missed


def test_theepochs_of_of_a_log_are_those_of_the_track_and_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "game-1.log"
    log.write_text(
        f'{{"event": "leading", "track": "{TRACK}", "epoch": 3}}\n'
        '{"event": "leading", "track": "another", "epoch": 9}\n'
        "Traceback\n"
        f'{{"event": "leading", "track": "{TRACK}", "epoch": 5}}\n'
        f'{{"event": "leading", "track": "{TRACK}", "epo'
    )

    assert list(epochs_of(log)) == [3, 5]
