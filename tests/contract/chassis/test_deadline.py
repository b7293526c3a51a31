"""A call ends in time, and what it calls knows by when."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from furlong.client import deadline
from furlong.client.policy import DEADLINE_MS_MAX
from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import round_service_pb2 as pb2
from structlog.testing import capture_logs

from services.chassis.refusal import Refusal
from services.chassis.stages import deadline as stage
from tests.served import host_rounds, refused, serving

REQUEST = pb2.GetRoundRequest(round_id=1)
METHOD_S = 1.0  # GetRound's policy


class Watchmaker:
    """Notes how much time each call is told that it has."""

    def __init__(self) -> None:
        self.left_s: list[float | None] = []

    async def note(self, _: Any, __: Any) -> Any:
        at_s = deadline.inbound()
        self.left_s.append(None if at_s is None else at_s - time.monotonic())
        return pb2.GetRoundResponse()


@pytest.mark.parametrize(
    ("callers_s", "at_least_s", "at_most_s"),
    [
        (None, METHOD_S - 0.9, METHOD_S),
        (0.9, 0.0, 0.91),
        (5, METHOD_S + 0.1, 5.1),
        (60, 5.2, DEADLINE_MS_MAX / 1_000),
    ],
)
async def test_a_handler_has_the_callers_time_up_to_the_cap_or_else_the_methods(
    callers_s: float | None, at_least_s: float, at_most_s: float
) -> None:
    watchmaker = Watchmaker()
    async with serving(host_rounds(GetRound=watchmaker.note)) as served:
        await served.rounds.GetRound(REQUEST, timeout=callers_s)
    (left_s,) = watchmaker.left_s
    assert left_s is not None
    assert at_least_s <= left_s <= at_most_s


async def test_a_stream_without_a_deadline_passes_none_on() -> None:
    watchmaker = Watchmaker()

    async def watch(request: Any, context: Any) -> None:
        await watchmaker.note(request, context)

    async with serving(host_rounds(WatchRounds=watch)) as served:
        async for _ in served.rounds.WatchRounds(pb2.WatchRoundsRequest()):
            pass
    assert watchmaker.left_s == [None]


async def test_a_handler_that_is_too_slow_is_ended_and_told_so() -> None:
    ended = asyncio.Event()

    async def linger(_: Any, __: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(host_rounds(GetRound=linger)) as served:
        told = await refused(served.rounds.GetRound(REQUEST))  # no deadline: the method's own second counts
        await asyncio.wait_for(ended.wait(), 5)
    assert (told.code, told.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "OUT_OF_TIME")
    assert told.metadata == {"deadline_ms": "1000"}


async def test_no_caller_gets_more_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "DEADLINE_MS_MAX", 50)

    async def linger(_: Any, __: Any) -> Any:
        await asyncio.Event().wait()

    async with serving(host_rounds(GetRound=linger)) as served:
        told = await refused(served.rounds.GetRound(REQUEST, timeout=5))
    assert (told.reason, told.metadata) == ("OUT_OF_TIME", {"deadline_ms": "50"})


async def test_a_refusal_that_comes_in_time_is_not_taken_for_a_time_out() -> None:
    async def refuse(_: Any, __: Any) -> Any:
        raise Refusal(Reason.ROUND_UNKNOWN, "no such round")

    async with serving(host_rounds(GetRound=refuse)) as served:
        assert (await refused(served.rounds.GetRound(REQUEST, timeout=5))).reason == "ROUND_UNKNOWN"


async def test_a_caller_that_cancels_cancels_the_handler() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def linger(_: Any, __: Any) -> Any:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(host_rounds(GetRound=linger)) as served:
        call = served.rounds.GetRound(REQUEST, timeout=5)
        sent = asyncio.ensure_future(call)
        await asyncio.wait_for(began.wait(), 5)
        call.cancel()
        await asyncio.wait_for(cancelled.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await sent


async def test_a_watcher_that_leaves_ends_its_stream() -> None:
    left = asyncio.Event()

    async def watch(_: Any, context: Any) -> None:
        try:
            await context.write(pb2.WatchRoundsResponse(transition_seq=1))
            await asyncio.Event().wait()
        finally:
            left.set()

    async with serving(host_rounds(WatchRounds=watch)) as served:
        call = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
        await call.read()
        call.cancel()
        await asyncio.wait_for(left.wait(), 5)


async def test_the_callers_own_deadline_ends_the_call_at_both_ends() -> None:
    ended = asyncio.Event()

    async def linger(_: Any, __: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with capture_logs() as lines:
        async with serving(host_rounds(GetRound=linger)) as served:
            began_s = time.monotonic()
            told = await refused(served.rounds.GetRound(REQUEST, timeout=0.2))
            await asyncio.wait_for(ended.wait(), 5)
            took_s = time.monotonic() - began_s
    assert told.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert took_s < METHOD_S
    assert [line["code"] for line in lines if line["event"] == "call"] == ["DEADLINE_EXCEEDED"]
