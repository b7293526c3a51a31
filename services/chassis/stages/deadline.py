"""Ends every unary call in time, and hands its deadline to the calls that are made while answering it."""

import asyncio
import time
from typing import Any

from furlong.client import deadline
from furlong.client.policy import DEADLINE_MS_MAX
from furlong.common.v1.error_pb2 import Reason

from services.chassis.call import Call, Handler, Method
from services.chassis.refusal import Refusal


class Deadline:
    """Gives a call the caller's deadline, at most 10 s, or the method's own where the caller named none.

    The caller's own deadline is kept by gRPC, which cancels the call at both ends when it passes: a timer of ours would
    cost every call and tell nobody anything. Only where we set the deadline do we end the call, and say so. A method
    whose policy has no deadline is a stream that stays open; it has none, and passes none on.
    """

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""
        if method.policy.deadline_ms == 0:
            return inner
        default_s = method.policy.deadline_ms / 1_000
        longest_s = DEADLINE_MS_MAX / 1_000

        async def bound(request: Any, call: Call) -> Any:
            left_s = call.context.time_remaining()
            if left_s is not None and left_s <= longest_s:
                deadline.set_inbound(time.monotonic() + left_s)
                return await inner(request, call)
            budget_s = default_s if left_s is None else longest_s
            at_s = asyncio.get_running_loop().time() + budget_s
            deadline.set_inbound(at_s)
            try:
                async with asyncio.timeout_at(at_s) as timer:
                    return await inner(request, call)
            except TimeoutError as error:
                if not timer.expired():
                    raise  # a handler's own time-out that it did not treat, which is a defect
                budget_ms = round(budget_s * 1_000)
                raise Refusal(
                    Reason.OUT_OF_TIME,
                    f"no answer within {budget_ms} ms",
                    metadata={"deadline_ms": str(budget_ms)},
                ) from error

        return bound
