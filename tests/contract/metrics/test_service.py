"""What callers of MetricsService are told, and who may call."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import grpc
import pytest
from furlong.metrics.v1 import metrics_service_pb2 as pb

from services.metrics.ports import Signal
from tests import served
from tests.observing import observing
from tests.served import refused
from tests.tokens import SigningKey, bearer


@pytest.mark.parametrize(
    ("method", "question", "field"),
    [
        ("GetSnapshot", pb.GetSnapshotRequest(window_ms=999), "window_ms"),
        ("GetSnapshot", pb.GetSnapshotRequest(window_ms=600_001), "window_ms"),
        ("ListSlowCalls", pb.ListSlowCallsRequest(page_size=101), "page_size"),
        ("ListSlowCalls", pb.ListSlowCallsRequest(page_size=-1), "page_size"),
        ("ListTraces", pb.ListTracesRequest(page_size=101), "page_size"),
        ("GetTrace", pb.GetTraceRequest(), "trace_id"),
        ("GetTrace", pb.GetTraceRequest(trace_id="A" * 32), "trace_id"),
        ("GetTrace", pb.GetTraceRequest(trace_id="a" * 33), "trace_id"),
    ],
)
async def test_a_malformed_question_is_refused_by_field(method: str, question: Any, field: str) -> None:
    async with observing() as seen:
        told = await refused(getattr(seen.stub, method)(question))
    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
    assert told.fields == [field]


@pytest.mark.parametrize("trace_id", ["0123456789abcdef" * 2, "01890000-0000-7000-8000-000000000001"])
async def test_a_trace_that_is_not_kept_is_told_so(trace_id: str) -> None:
    async with observing() as seen:
        told = await refused(seen.stub.GetTrace(pb.GetTraceRequest(trace_id=trace_id)))
    assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "TRACE_UNKNOWN")


async def test_a_watch_sends_a_snapshot_at_once_and_then_at_every_interval() -> None:
    async with observing() as seen:
        call = seen.stub.WatchSnapshot(pb.WatchSnapshotRequest(interval_ms=500))
        began_s = asyncio.get_running_loop().time()
        arrived_s = []
        try:
            async for _ in call:
                arrived_s.append(asyncio.get_running_loop().time() - began_s)
                if len(arrived_s) == 3:
                    break
        finally:
            call.cancel()
    assert arrived_s[0] < 0.45
    assert all(later - earlier > 0.4 for earlier, later in itertools.pairwise(arrived_s))


async def test_a_watch_with_a_wrong_interval_is_refused() -> None:
    async with observing() as seen:
        call = seen.stub.WatchSnapshot(pb.WatchSnapshotRequest(interval_ms=499))
        told = await refused(anext(aiter(call)))
    assert (told.reason, told.fields) == ("MALFORMED", ["interval_ms"])


async def test_a_watch_of_a_server_that_goes_away_is_told_when_to_come_back() -> None:
    async with observing() as seen:
        call = seen.stub.WatchSnapshot(pb.WatchSnapshotRequest(interval_ms=60_000))
        frames = aiter(call)
        await anext(frames)
        ending = asyncio.create_task(refused(anext(frames)))
    told = await ending
    assert told.reason == "DRAINING"
    assert told.retry_in_ms


async def test_operators_and_auditors_read_and_exporters_need_no_token(tmp_path: Path) -> None:
    key = SigningKey.make()
    jwks_file = key.write_jwks(tmp_path / "jwks.json")
    async with observing(server=served.config(jwks_file)) as seen:
        assert (await refused(seen.stub.GetSnapshot(pb.GetSnapshotRequest()))).reason == "TOKEN_MISSING"
        for role, admitted in (("PLAYER", False), ("OPERATOR", True), ("AUDITOR", True)):
            call = seen.stub.GetSnapshot(pb.GetSnapshotRequest(), metadata=bearer(key.token(roles=[role])))
            if admitted:
                await call
            else:
                assert (await refused(call)).reason == "ROLE_MISSING"
        assert await seen.export(Signal.TRACES, b"") == b""
