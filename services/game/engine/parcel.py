"""A parcel: orders of one call that travel to the store together, and the bounds of what travels at once."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextvars import Context, copy_context
from typing import Final

from furlong.client.deadline import inbound
from furlong.common.v1.ticket_pb2 import TicketResult
from opentelemetry import trace

from services.game.domain.order import Order
from services.game.engine.pace import TICKETS_MAX
from services.game.ports import Placing

BYTES_MAX: Final = 224 * 1_024
"""The most bytes, by `bytes_at_most`, so that with its framing a call stays below the store's 256 KiB."""

_TICKET_BYTES: Final = 352  # ids, hash, verdict, the longest reason, terminal, revision and time
_LINE_BYTES: Final = 40  # market, stake and price, each as long as it can be
_RUNNER_BYTES: Final = 10


class Parcel:
    """Placings that wait for their answers.

    `caller` stands for the call that brought them, the same for all its parcels, `context` is its context, `deadline_s`
    its deadline on the monotonic clock, if any, and `is_traced` whether its trace is being recorded. `undecided` says
    that some of its answers may be none, because prices have moved.
    """

    __slots__ = ("answers", "bytes_at_most", "caller", "context", "deadline_s", "is_traced", "placings", "undecided")

    def __init__(self, placings: Sequence[Placing], bytes_at_most: int, caller: object) -> None:
        self.caller = caller
        self.placings = placings
        self.bytes_at_most = bytes_at_most
        self.answers: asyncio.Future[Sequence[TicketResult]] = asyncio.get_running_loop().create_future()
        self.deadline_s = inbound()
        self.undecided = False
        self.context: Context = copy_context()
        self.is_traced = trace.get_current_span().get_span_context().trace_flags.sampled

    @property
    def is_late(self) -> bool:
        """Tell whether its caller's time is over."""
        return self.deadline_s is not None and self.deadline_s <= time.monotonic()


def bytes_at_most(order: Order) -> int:
    """Give a bound on what an order takes on its way to the store."""
    return _TICKET_BYTES + sum([_LINE_BYTES + _RUNNER_BYTES * len(line.runners) for line in order.lines])


def parcels(placings: Sequence[Placing]) -> Iterator[Parcel]:
    """Pack the placings of one call, in order; nearly always they fit into one parcel."""
    caller = object()
    packed: list[Placing] = []
    packed_bytes = 0
    for placing in placings:
        size = bytes_at_most(placing.order)
        if packed and (len(packed) == TICKETS_MAX or packed_bytes + size > BYTES_MAX):
            yield Parcel(packed, packed_bytes, caller)
            packed, packed_bytes = [], 0
        packed.append(placing)
        packed_bytes += size
    if packed:
        yield Parcel(packed, packed_bytes, caller)
