"""Typed calls about what happened: figures, slow calls, traces."""

from collections.abc import AsyncGenerator, Sequence

import grpc
from furlong.client.backoff import SYSTEM_TIMING, Backoff, Timing
from furlong.client.errors import CallRefused, answer_of, from_rpc
from furlong.metrics.v1 import metrics_service_pb2 as wire
from furlong.metrics.v1.metrics_service_pb2 import SlowCall, Snapshot, Trace, TraceSummary
from furlong.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub

RESUME_FIRST_MS = 200
RESUME_MAX_MS = 2_000


class Metrics:
    """What the services report of themselves, for operators and auditors. Every method raises a FurlongError."""

    def __init__(self, channel: grpc.aio.Channel, timing: Timing = SYSTEM_TIMING) -> None:
        self._stub = MetricsServiceStub(channel)
        self._timing = timing

    async def snapshot(self, *, window_ms: int = 0) -> Snapshot:
        """Read the figures of the window that ends now: 1,000 to 600,000 milliseconds, 0 for one minute."""
        return (await answer_of(self._stub.GetSnapshot(wire.GetSnapshotRequest(window_ms=window_ms)))).snapshot

    async def watch(self, *, window_ms: int = 0, interval_ms: int = 0) -> AsyncGenerator[Snapshot, None]:
        """Read the figures again and again, every two seconds unless `interval_ms` (500 to 60,000) says otherwise.

        After any break it goes on. Leave it with `contextlib.aclosing`, which ends the call. Raises CallRefused where
        asking again cannot help.
        """
        pauses = Backoff(RESUME_FIRST_MS, RESUME_MAX_MS, self._timing.chance)
        while True:
            asked_ms: int | None = None
            call = self._stub.WatchSnapshot(wire.WatchSnapshotRequest(window_ms=window_ms, interval_ms=interval_ms))
            try:
                async for response in call:
                    pauses.reset()
                    yield response.snapshot
            except grpc.aio.AioRpcError as failure:
                error = from_rpc(failure)
                if isinstance(error, CallRefused) and error.retry_in_ms is None:
                    raise error from failure
                asked_ms = error.retry_in_ms
            finally:
                call.cancel()
            await self._timing.sleep_s(pauses.next_s(asked_ms))

    async def slow_calls(self, *, page_size: int = 0) -> Sequence[SlowCall]:
        """Read the slowest recorded calls of the last ten minutes, the slowest first; 1 to 100, 0 means 20."""
        return (await answer_of(self._stub.ListSlowCalls(wire.ListSlowCallsRequest(page_size=page_size)))).calls

    async def trace(self, trace_or_ticket_id: str) -> Trace:
        """Read a trace, by its id or by the id of a ticket that it carried."""
        return (await answer_of(self._stub.GetTrace(wire.GetTraceRequest(trace_id=trace_or_ticket_id)))).trace

    async def traces(self, *, page_size: int = 0) -> Sequence[TraceSummary]:
        """Read the traces that came last, the newest first; 1 to 100, 0 means 20."""
        return (await answer_of(self._stub.ListTraces(wire.ListTracesRequest(page_size=page_size)))).traces
