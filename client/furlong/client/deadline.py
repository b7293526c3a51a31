"""The deadline that a call inherits from the call it serves.

gRPC for Python does not pass deadlines on. A server puts the deadline of the call it serves here; every call made
while serving it gets at most what is left, less a margin for the way back. The variable belongs to the task, and a
task started while serving inherits it: work that outlives the call it was started by begins with `set_inbound(None)`.
"""

import time
from contextvars import ContextVar, Token

MARGIN_S = 0.005
"""Time kept back, in seconds, so that the caller can still answer when the called one has run out of time."""
WIRE_ROUNDING = 0.01
"""gRPC rounds a deadline up on the wire, by up to this share of it (1,991 ms travel as 2,000). It is kept back twice,
for the deadline that came in and for the one that goes out, so that the leaf's is never later than the first one's."""

_inbound: ContextVar[float | None] = ContextVar("furlong_inbound_deadline", default=None)


def inbound() -> float | None:
    """Tell the deadline of the call being served, in seconds of `time.monotonic()`; None where there is none."""
    return _inbound.get()


def set_inbound(monotonic_s: float | None) -> Token[float | None]:
    """Set the deadline of the call being served, in seconds of `time.monotonic()`; None takes it away."""
    return _inbound.set(monotonic_s)


def reset(token: Token[float | None]) -> None:
    """Undo the `set_inbound` that returned `token`."""
    _inbound.reset(token)


def budget_s(method_default_s: float) -> float:
    """Tell how many seconds a call may take that by itself would get `method_default_s`.

    Zero or less means that the time is over and the call is not worth sending.
    """
    at = _inbound.get()
    if at is None:
        return method_default_s
    return min(method_default_s, (at - time.monotonic()) * (1 - 2 * WIRE_ROUNDING) - MARGIN_S)
