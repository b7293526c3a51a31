"""A history says what was asked, what was told, and where nobody knows."""

import asyncio
from pathlib import Path

import grpc
import pytest
from furlong.client.errors import not_sent
from furlong.common.v1.error_pb2 import DEPENDENCY_DOWN
from furlong.persist.v1.round_store_service_pb2 import LockRoundRequest, LockRoundResponse

from tests.history.recorder import FAIL, INFO, INVOKE, OK, Recorder, calls, read

LOCK = LockRoundRequest(request_id="lock-1", round_id=7)


async def answer(_: LockRoundRequest) -> LockRoundResponse:
    response = LockRoundResponse()
    response.stored.epoch = 4
    return response


async def refuse(_: LockRoundRequest) -> LockRoundResponse:
    raise not_sent(grpc.StatusCode.UNAVAILABLE, DEPENDENCY_DOWN, "no database")


async def lose_the_answer(_: LockRoundRequest) -> LockRoundResponse:
    raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())


async def hang(_: LockRoundRequest) -> LockRoundResponse:
    await asyncio.sleep(60)
    raise AssertionError("cancelled before")


async def test_each_end_of_a_call_has_its_kind(tmp_path: Path) -> None:
    with Recorder(tmp_path / "history.jsonl") as recorder:
        await recorder.call("ann", answer, LOCK)
        for method in (refuse, lose_the_answer):
            with pytest.raises(grpc.aio.AioRpcError):
                await recorder.call("ann", method, LOCK)
        hanging = asyncio.create_task(recorder.call("bob", hang, LOCK))
        await asyncio.sleep(0)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging

    assert [each.outcome for each in calls(recorder.entries)] == [OK, FAIL, INFO, INFO]
    assert list(read(tmp_path / "history.jsonl")) == recorder.entries
    first, second = recorder.entries[:2]
    assert (first.kind, first.method, first.content) == (INVOKE, "LockRound", {"request_id": "lock-1", "round_id": "7"})
    assert (second.call, second.answer) == (first.call, {"stored": {"epoch": "4"}})
    assert [each.n for each in recorder.entries] == list(range(1, 9))


async def test_a_call_without_an_end_is_in_doubt(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    with Recorder(file) as recorder:
        await recorder.call("ann", answer, LOCK)
    begin, end = file.read_text().splitlines()
    file.write_text(f"{begin}\n{end[:-20]}")  # whoever recorded was killed in the middle of a line
    [call] = calls(read(file))
    assert (call.outcome, call.end) == (INFO, None)
