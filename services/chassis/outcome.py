"""What became of a call, told from what was raised while it was answered."""

import asyncio
from typing import Any

import grpc
from grpc import StatusCode

from services.chassis.refusal import Refusal
from services.chassis.status import STATUS

# The last millisecond of a deadline counts as its end: gRPC cancels the call when it sees the deadline pass.
DEADLINE_PASSED_S = 0.001

_BY_NUMBER = {code.value[0]: code for code in StatusCode}


def code_of(error: BaseException, context: "grpc.aio.ServicerContext[Any, Any]") -> StatusCode:
    """Tell the status that a call ends with when `error` leaves its handler."""
    match error:
        case Refusal():
            return STATUS[error.reason]
        case asyncio.CancelledError():
            left_s: float | None = context.time_remaining()
            passed = left_s is not None and left_s <= DEADLINE_PASSED_S
            return StatusCode.DEADLINE_EXCEEDED if passed else StatusCode.CANCELLED
        case grpc.aio.AbortError():
            code = context.code()
            return code if isinstance(code, StatusCode) else _BY_NUMBER[code]
        case _:
            return StatusCode.INTERNAL
