"""What recovery tells a caller whose call gRPC has sent more than once."""

from typing import Any

import pytest
from furlong.client.policy import MethodPolicy
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Admission
from google.protobuf.wrappers_pb2 import Int32Value
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # google.rpc ships no types

from services.chassis.call import Call, Method
from services.chassis.clock import SystemClock
from services.chassis.line_budget import LineBudget
from services.chassis.refusal import Refusal
from services.chassis.stages.recovery import ATTEMPTS_BEFORE, Recovery


class Context:
    """Keeps the status that a call was ended with."""

    status: Any = None

    async def abort_with_status(self, status: Any) -> None:
        self.status = status


def method(admission: Admission.ValueType, *, retryable: bool) -> Method:
    policy = MethodPolicy(
        method="/s/m", deadline_ms=1_000, retryable=retryable, unary=True, roles=frozenset(), admission=admission
    )
    return Method(name="s/m", policy=policy, request_class=Int32Value, request_streams=False)


WRITE = method(Admission.WRITE, retryable=True)
READ = method(Admission.READ, retryable=True)
RESERVED = method(Admission.RESERVED, retryable=True)
UNSAFE = method(Admission.WRITE, retryable=False)


async def reason_told(called: Method, raised: Reason.ValueType, headers: dict[str, str | bytes]) -> str:
    async def refuse(_: Any, __: Call) -> None:
        raise Refusal(raised, "no", retry_in_ms=5)

    context = Context()
    call = Call(context, headers)  # type: ignore[arg-type] # a stand-in for what gRPC gives
    await Recovery(LineBudget(SystemClock())).around(called, refuse)(None, call)
    (details,) = (value for key, value in context.status.trailing_metadata if key == "grpc-status-details-bin")
    info = error_details_pb2.ErrorInfo()
    status = status_pb2.Status.FromString(details)
    assert status.details[0].Unpack(info)
    return str(info.reason)


@pytest.mark.parametrize(
    ("called", "raised", "before", "told"),
    [
        # what        refused with              attempts before  the caller hears
        (WRITE, Reason.OVERLOADED, None, "OVERLOADED"),
        (WRITE, Reason.OVERLOADED, "1", "OUTCOME_UNKNOWN"),
        (WRITE, Reason.DRAINING, "1", "OUTCOME_UNKNOWN"),
        (WRITE, Reason.DEPENDENCY_DOWN, "2", "OUTCOME_UNKNOWN"),
        (RESERVED, Reason.DEPENDENCY_DOWN, "1", "OUTCOME_UNKNOWN"),
        (WRITE, Reason.MALFORMED, "1", "MALFORMED"),
        (WRITE, Reason.EPOCH_STALE, "1", "EPOCH_STALE"),
        (READ, Reason.OVERLOADED, "1", "OVERLOADED"),
        (UNSAFE, Reason.OVERLOADED, "1", "OVERLOADED"),
    ],
)
async def test_a_write_that_was_sent_before_is_never_told_that_nothing_was_done(
    called: Method, raised: Reason.ValueType, before: str | None, told: str
) -> None:
    headers: dict[str, str | bytes] = {} if before is None else {ATTEMPTS_BEFORE: before}
    assert await reason_told(called, raised, headers) == told
