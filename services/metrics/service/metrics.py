"""MetricsService: tells what the observatory sees."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from furlong.common.v1.error_pb2 import Reason
from furlong.metrics.v1 import metrics_service_pb2 as pb
from furlong.metrics.v1.metrics_service_pb2_grpc import MetricsServiceServicer

from services.chassis.refusal import Refusal
from services.metrics.engine.observatory import Observatory
from services.metrics.service import render

WINDOW_MS: Final = 60_000
INTERVAL_MS: Final = 2_000
PAGE_SIZE: Final = 20
COME_BACK_MS: Final = 1_000


class MetricsService(MetricsServiceServicer):
    """Reads from memory."""

    def __init__(self, observatory: Observatory) -> None:
        self._observatory = observatory
        self._draining = asyncio.Event()

    async def drain(self) -> None:
        """End every watch with a hint when to come back."""
        self._draining.set()

    async def GetSnapshot(self, request: pb.GetSnapshotRequest, context: Any) -> pb.GetSnapshotResponse:
        """Read the figures of the window that ends now."""
        return pb.GetSnapshotResponse(
            snapshot=render.snapshot(self._observatory.snapshot(request.window_ms or WINDOW_MS))
        )

    async def WatchSnapshot(
        self, request: pb.WatchSnapshotRequest, context: Any
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        """Send a snapshot now and again after each interval."""
        interval_s = (request.interval_ms or INTERVAL_MS) / 1_000
        while not self._draining.is_set():
            figures = self._observatory.snapshot(request.window_ms or WINDOW_MS)
            yield pb.WatchSnapshotResponse(snapshot=render.snapshot(figures))
            try:
                async with asyncio.timeout(interval_s):
                    await self._draining.wait()
            except TimeoutError:
                continue
        raise Refusal(Reason.DRAINING, "this server goes away", retry_in_ms=COME_BACK_MS)

    async def ListSlowCalls(self, request: pb.ListSlowCallsRequest, context: Any) -> pb.ListSlowCallsResponse:
        """Read the slowest calls."""
        calls = self._observatory.slow_calls(request.page_size or PAGE_SIZE)
        return pb.ListSlowCallsResponse(calls=[render.slow_call(call) for call in calls])

    async def GetTrace(self, request: pb.GetTraceRequest, context: Any) -> pb.GetTraceResponse:
        """Read one trace."""
        story = self._observatory.story(request.trace_id)
        if story is None:
            raise Refusal(
                Reason.TRACE_UNKNOWN,
                f"no trace is kept under {request.trace_id}; it was not recorded, or has made way for newer ones",
            )
        return pb.GetTraceResponse(trace=render.trace(story))

    async def ListTraces(self, request: pb.ListTracesRequest, context: Any) -> pb.ListTracesResponse:
        """Read the latest traces."""
        traces = self._observatory.newest_traces(request.page_size or PAGE_SIZE)
        return pb.ListTracesResponse(traces=[render.summary(each) for each in traces])
