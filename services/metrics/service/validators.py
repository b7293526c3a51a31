"""The validator of each request."""

import re
from typing import Final

from furlong.metrics.v1 import metrics_service_pb2 as pb

from services.chassis.validation import Checks, Validators
from services.metrics.domain.window import WINDOW_MS_MAX

WINDOW_MS_MIN: Final = 1_000
INTERVAL_MS_MIN: Final = 500
INTERVAL_MS_MAX: Final = 60_000
PAGE_SIZE_MAX: Final = 100

_TRACE_OR_TICKET: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _snapshot(request: pb.GetSnapshotRequest, checks: Checks) -> None:
    if request.window_ms:
        checks.between("window_ms", request.window_ms, WINDOW_MS_MIN, WINDOW_MS_MAX)


def _watch(request: pb.WatchSnapshotRequest, checks: Checks) -> None:
    if request.window_ms:
        checks.between("window_ms", request.window_ms, WINDOW_MS_MIN, WINDOW_MS_MAX)
    if request.interval_ms:
        checks.between("interval_ms", request.interval_ms, INTERVAL_MS_MIN, INTERVAL_MS_MAX)


def _page(request: pb.ListSlowCallsRequest | pb.ListTracesRequest, checks: Checks) -> None:
    checks.between("page_size", request.page_size, 0, PAGE_SIZE_MAX)


def _trace(request: pb.GetTraceRequest, checks: Checks) -> None:
    words = "the id of a trace, 32 hex digits, or of a ticket, a UUID, in lower case"
    checks.pattern("trace_id", request.trace_id, _TRACE_OR_TICKET, words)


VALIDATORS: Final[Validators] = {
    pb.GetSnapshotRequest: _snapshot,
    pb.WatchSnapshotRequest: _watch,
    pb.ListSlowCallsRequest: _page,
    pb.ListTracesRequest: _page,
    pb.GetTraceRequest: _trace,
}
