"""What became of a call, told from what was raised while it was answered."""

import asyncio
import time

import grpc
from furlong.client import deadline
from furlong.client.reasons import STATUS
from grpc import StatusCode

from services.chassis.call import CallContext
from services.chassis.refusal import Refusal

# The last millisecond of a deadline counts as its end: gRPC cancels the call when it sees the deadline pass.
DEADLINE_PASSED_S = 0.001

_BY_NUMBER = {code.value[0]: code for code in StatusCode}


def code_of(error: BaseException, context: CallContext) -> StatusCode:
    """Tell the status that a call ends with when `error` leaves its handler."""
    match error:
        case Refusal():
            return STATUS[error.reason]
        case asyncio.CancelledError():
            return StatusCode.DEADLINE_EXCEEDED if _deadline_passed(context) else StatusCode.CANCELLED
        case grpc.aio.AbortError():
            code = context.code()
            return code if isinstance(code, StatusCode) else _BY_NUMBER[code]
        case _:
            return StatusCode.INTERNAL


def _deadline_passed(context: CallContext) -> bool:
    """Tell whether a cancelled call was out of time, by our own deadline for it or, on a stream, by the caller's."""
    at_s = deadline.inbound()
    callers_s = context.time_remaining()
    left_s = callers_s if at_s is None else at_s - time.monotonic()
    return left_s is not None and left_s <= DEADLINE_PASSED_S
