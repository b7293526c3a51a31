"""Frames as bytes: encoded once here, written to every watcher as they are."""

from collections.abc import Sequence

from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import OwnTickets, Presence, WatchRoundsResponse

from services.game.engine.broadcast.frame import Frame
from services.game.wire import ms_to, round_to


def encode(frame: Frame) -> bytes:
    """Encode a WatchRoundsResponse."""
    return WatchRoundsResponse(
        round=round_to(frame.round),
        server_time=ms_to(frame.made_at_ms),
        kind=WatchRoundsResponse.Kind.ValueType(frame.kind),
        transition_seq=frame.transition_seq,
        presence=Presence(watchers=frame.watchers, terminals=frame.terminals),
    ).SerializeToString()


def encode_own(account_id: str, tickets: Sequence[Ticket], made_at_ms: int) -> bytes:
    """Encode the WatchRoundsResponse that tells an account's tickets."""
    return WatchRoundsResponse(
        server_time=ms_to(made_at_ms),
        kind=WatchRoundsResponse.OWN,
        own=OwnTickets(account_id=account_id, tickets=tickets),
    ).SerializeToString()
