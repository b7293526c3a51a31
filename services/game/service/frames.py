"""Frames as bytes: encoded once here, written to every watcher as they are."""

from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from services.game.engine.broadcast.frame import Frame
from services.game.wire import ms_to, round_to


def encode(frame: Frame) -> bytes:
    """Encode a WatchRoundsResponse."""
    return WatchRoundsResponse(
        round=round_to(frame.round),
        server_time=ms_to(frame.made_at_ms),
        kind=WatchRoundsResponse.Kind.ValueType(frame.kind),
        transition_seq=frame.transition_seq,
    ).SerializeToString()
