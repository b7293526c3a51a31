"""Admission counts calls in progress by class and forgets none."""

import asyncio
from typing import Any

import pytest
from furlong.client.policy import MethodPolicy
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Admission as AdmissionClass
from google.protobuf.empty_pb2 import Empty

from services.chassis.call import Call, Handler, Method
from services.chassis.refusal import Refusal
from services.chassis.stages.admission import Admission

LIMITS = {AdmissionClass.READ: 2, AdmissionClass.WRITE: 1, AdmissionClass.STREAM: 1, AdmissionClass.RESERVED: 1}
CALL = Call(None, {})  # type: ignore[arg-type] # admission looks at neither


def method(admission: AdmissionClass.ValueType) -> Method:
    policy = MethodPolicy(
        method="/s/m", deadline_ms=1, retryable=False, unary=True, roles=frozenset(), admission=admission
    )
    return Method(name="s/m", policy=policy, request_class=Empty, request_streams=False)


def room_for(admission: Admission, kind: AdmissionClass.ValueType, inner: Handler) -> Handler:
    return admission.around(method(kind), inner)


async def wait_for_it(release: Any, _: Call) -> str:
    await release.wait()
    return "done"


async def fail(_: Any, __: Call) -> None:
    raise RuntimeError("broken")


async def test_a_full_class_is_refused_and_the_others_are_not() -> None:
    admission, release = Admission(LIMITS), asyncio.Event()
    write = room_for(admission, AdmissionClass.WRITE, wait_for_it)
    reserved = room_for(admission, AdmissionClass.RESERVED, wait_for_it)
    async with asyncio.TaskGroup() as tasks:
        held = tasks.create_task(write(release, CALL))
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="1 calls of class WRITE") as caught:
            await write(release, CALL)
        assert (caught.value.reason, caught.value.metadata) == (Reason.OVERLOADED, {"admission": "WRITE"})
        assert caught.value.retry_in_ms is not None
        other = tasks.create_task(reserved(release, CALL))
        await asyncio.sleep(0)
        assert admission.in_progress == 2
        release.set()
    assert (held.result(), other.result(), admission.in_progress) == ("done", "done", 0)


async def test_a_call_that_fails_or_is_cancelled_leaves_its_place() -> None:
    admission = Admission(LIMITS)
    with pytest.raises(RuntimeError):
        await room_for(admission, AdmissionClass.WRITE, fail)(None, CALL)
    task = asyncio.create_task(room_for(admission, AdmissionClass.WRITE, wait_for_it)(asyncio.Event(), CALL))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert admission.in_progress == 0


async def test_a_closed_server_refuses_new_calls_and_waits_for_the_last() -> None:
    admission, release = Admission(LIMITS), asyncio.Event()
    read = room_for(admission, AdmissionClass.READ, wait_for_it)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(read(release, CALL))
        await asyncio.sleep(0)
        admission.close()
        with pytest.raises(Refusal) as caught:
            await read(release, CALL)
        assert caught.value.reason == Reason.DRAINING
        emptied = tasks.create_task(admission.emptied())
        await asyncio.sleep(0)
        assert not emptied.done()
        release.set()


async def test_a_closed_server_without_calls_is_empty_at_once() -> None:
    admission = Admission(LIMITS)
    admission.close()
    await admission.emptied()
