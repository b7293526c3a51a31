"""Whatever a handler does, a caller gets one answer of our own making."""

import asyncio
from typing import Any

import grpc
import pytest
from furlong.client.reasons import STATUS
from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import round_service_pb2 as pb2
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from services.chassis.principal import current
from services.chassis.refusal import Refusal
from tests.served import config, host_rounds, refused, serving

REQUEST = pb2.GetRoundRequest(round_id=1)


@pytest.mark.parametrize("reason", [reason for reason in Reason.values() if reason])
async def test_every_reason_reaches_the_caller(reason: Reason.ValueType) -> None:
    async def refuse(_: Any, __: Any) -> Any:
        raise Refusal(reason, "because", retry_in_ms=1_500, metadata={"round_id": "1"})

    async with serving(host_rounds(GetRound=refuse)) as served:
        told = await refused(served.rounds.GetRound(REQUEST))
    assert (told.code, told.reason, told.message, told.retry_in_ms, told.metadata) == (
        STATUS[reason],
        Reason.Name(reason),
        "because",
        1_500,
        {"round_id": "1"},
    )


async def test_an_unhandled_exception_is_a_defect_whose_details_stay_here() -> None:
    async def fail(_: Any, __: Any) -> Any:
        raise RuntimeError("password=hunter2")

    provider = TracerProvider(shutdown_on_exit=False)
    with capture_logs() as lines:
        async with serving(host_rounds(GetRound=fail), tracer_provider=provider) as served:
            told = await refused(served.rounds.GetRound(REQUEST))
    assert (told.code, told.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_DEFECT")
    assert "hunter2" not in told.message
    assert int(told.metadata["trace_id"], 16) != 0
    assert told.metadata["trace_id"] in told.message
    (defect,) = (line for line in lines if line["event"] == "defect")
    assert repr(defect["exc_info"]) == "RuntimeError('password=hunter2')"


async def test_a_time_out_that_a_handler_did_not_treat_is_a_defect_and_not_the_callers_deadline() -> None:
    async def time_out(_: Any, __: Any) -> Any:
        raise TimeoutError

    async with serving(host_rounds(GetRound=time_out)) as served:
        assert (await refused(served.rounds.GetRound(REQUEST))).reason == "INTERNAL_DEFECT"


async def test_a_call_aborted_by_hand_keeps_its_status() -> None:
    async def abort(_: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.DATA_LOSS, "by hand")

    with capture_logs() as lines:
        async with serving(host_rounds(GetRound=abort)) as served:
            told = await refused(served.rounds.GetRound(REQUEST))
    assert (told.code, told.message, told.reason) == (grpc.StatusCode.DATA_LOSS, "by hand", "")
    assert [line["code"] for line in lines if line["event"] == "call"] == ["DATA_LOSS"]


async def test_a_stream_that_is_refused_midway_gives_what_it_had_and_then_the_reason() -> None:
    async def watch(_: Any, context: Any) -> None:
        await context.write(pb2.WatchRoundsResponse(transition_seq=1))
        raise Refusal(Reason.FELL_BEHIND, "too slow", metadata={"after": "1"})

    async with serving(host_rounds(WatchRounds=watch)) as served:
        call = served.rounds.WatchRounds(pb2.WatchRoundsRequest())
        first = await call.read()
        assert isinstance(first, pb2.WatchRoundsResponse)
        told = await refused(call.read())
    assert first.transition_seq == 1
    assert (told.code, told.reason, told.metadata) == (grpc.StatusCode.OUT_OF_RANGE, "FELL_BEHIND", {"after": "1"})


async def test_an_async_generator_streams_as_well_as_a_writer_does() -> None:
    async def watch(_: Any, __: Any) -> Any:
        for seq in (1, 2, 3):
            yield pb2.WatchRoundsResponse(transition_seq=seq)

    async with serving(host_rounds(WatchRounds=watch)) as served:
        frames = [frame.transition_seq async for frame in served.rounds.WatchRounds(pb2.WatchRoundsRequest())]
    assert frames == [1, 2, 3]


async def test_a_raw_stream_sends_bytes_as_they_are() -> None:
    frame = pb2.WatchRoundsResponse(transition_seq=7).SerializeToString()

    async def watch(_: Any, context: Any) -> None:
        for _ in range(3):
            await context.write(frame)

    async with serving(host_rounds(WatchRounds=watch, raw=True)) as served:
        frames = [each.transition_seq async for each in served.rounds.WatchRounds(pb2.WatchRoundsRequest())]
        assert frames == [7, 7, 7]
        assert (await refused(served.rounds.GetRound(REQUEST))).reason == "INTERNAL_DEFECT"


@pytest.mark.parametrize("path", ["/furlong.game.v1.RoundService/Rewind", "/furlong.game.v9.None/Get", "/x"])
async def test_a_method_that_does_not_exist_is_told_as_such(path: str) -> None:
    async with serving(host_rounds()) as served:
        told = await refused(served.bare.unary_unary(path)(b""))
        stream = served.bare.stream_stream(path)()  # one that writes may fail on its own writes first
        streamed = await refused(stream.read())
    assert (told.code, told.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN")
    assert streamed.reason == "METHOD_UNKNOWN"


async def test_a_request_that_is_too_long_is_refused() -> None:
    async with serving(host_rounds(), settings=config(message_bytes_max=1_024)) as served:
        call = served.bare.unary_unary("/furlong.game.v1.RoundService/GetRound")(b"\x0a" * 2_000)
        assert (await refused(call)).code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_every_call_has_a_principal_of_its_own() -> None:
    seen = []

    async def get(_: Any, __: Any) -> Any:
        await asyncio.sleep(0)
        seen.append(current().subject)
        return pb2.GetRoundResponse()

    async with serving(host_rounds(GetRound=get)) as served:
        await asyncio.gather(*(served.rounds.GetRound(REQUEST) for _ in range(3)))
    assert seen == ["development"] * 3
    with pytest.raises(LookupError):
        current()
