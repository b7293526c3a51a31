"""Frames as bytes: encoded once here, written to every watcher as they are.

The race of a round is a few kilobytes and does not change, so a watcher is sent it once: with the transition into
RUNNING, or with the frame that shows the round as it is, which is how a late joiner begins. Ticks and later transitions
go without it. Totals are final at the lock, so no round is updated while it has a race.
"""

from collections.abc import Sequence

from furlong.common.v1.ticket_pb2 import Ticket
from furlong.game.v1.round_service_pb2 import OwnTickets, Presence, WatchRoundsResponse

from services.game.domain.phase import Phase
from services.game.engine.broadcast.frame import Frame, Kind
from services.game.wire import ms_to, round_to, round_with_race_to


def encode(frame: Frame) -> bytes:
    """Encode a WatchRoundsResponse."""
    write = round_with_race_to if _brings_race(frame) else round_to
    return WatchRoundsResponse(
        round=write(frame.round),
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


def _brings_race(frame: Frame) -> bool:
    match frame.kind:
        case Kind.TRANSITION:
            return frame.round.phase is Phase.RUNNING
        case Kind.UPDATE | Kind.GAP:
            return True
        case _:
            return False
