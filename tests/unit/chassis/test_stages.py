"""What single stages do that a whole server cannot show."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from furlong.client.policy import MethodPolicy
from furlong.common.v1.policy_pb2 import Admission
from google.protobuf.wrappers_pb2 import Int32Value

from services.chassis.call import Call, Method
from services.chassis.refusal import Refusal
from services.chassis.stages.validation import Validation
from services.chassis.validation import Checks

CALL = Call(None, {})  # type: ignore[arg-type] # validation does not look at it


def check_positive(request: Int32Value, checks: Checks) -> None:
    checks.between("value", request.value, 1, 9)


async def send(*values: int) -> AsyncIterator[Int32Value]:
    for value in values:
        yield Int32Value(value=value)


async def test_on_a_stream_each_request_is_validated_as_it_is_read() -> None:
    policy = MethodPolicy(
        method="/s/m", deadline_ms=0, retryable=False, unary=False, roles=frozenset(), admission=Admission.STREAM
    )
    method = Method(name="s/m", policy=policy, request_class=Int32Value, request_streams=True)
    read: list[int] = []

    async def keep(requests: Any, _: Call) -> None:
        async for request in requests:
            read.append(request.value)

    with pytest.raises(Refusal, match="0 is not between 1 and 9"):
        await Validation({Int32Value: check_positive}).around(method, keep)(send(1, 2, 0, 3), CALL)
    assert read == [1, 2]
