"""gRPC's errors become Furlong's, without a gap."""

import grpc
import pytest
from furlong.client.errors import (
    DETAILS_KEY,
    KINDS,
    CallRefused,
    DeadlineEnded,
    FurlongError,
    OutcomeUnknown,
    ServiceDefect,
    Unreachable,
    Violation,
    answer_of,
    from_refused,
    from_rpc,
    not_sent,
)
from furlong.common.v1 import error_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types

SC = grpc.StatusCode
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def rpc_error(code: grpc.StatusCode, reason: str = "", *details: object) -> grpc.aio.AioRpcError:
    status = status_pb2.Status(code=code.value[0], message="what happened")
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="furlong", metadata={"track": "harbour-mile"})
        status.details.add().Pack(info)
    for detail in details:
        status.details.add().Pack(detail)
    trailers = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, "what happened")


def test_every_status_but_ok_has_a_meaning() -> None:
    assert set(KINDS) == set(SC) - {SC.OK}
    assert {from_rpc(rpc_error(code)).code for code in KINDS} == set(KINDS)


@pytest.mark.parametrize(
    ("code", "reason", "read", "write"),
    [
        (SC.INVALID_ARGUMENT, "MALFORMED", CallRefused, CallRefused),
        (SC.NOT_FOUND, "TRACK_NOT_FOUND", CallRefused, CallRefused),
        (SC.UNAUTHENTICATED, "TOKEN_MISSING", CallRefused, CallRefused),
        (SC.RESOURCE_EXHAUSTED, "OVERLOADED", CallRefused, CallRefused),
        (SC.UNAVAILABLE, "DRAINING", Unreachable, Unreachable),
        (SC.UNAVAILABLE, "DEPENDENCY_DOWN", Unreachable, Unreachable),
        (SC.UNAVAILABLE, "OUTCOME_UNKNOWN", OutcomeUnknown, OutcomeUnknown),
        (SC.UNAVAILABLE, "", Unreachable, OutcomeUnknown),
        (SC.CANCELLED, "", Unreachable, OutcomeUnknown),
        (SC.DEADLINE_EXCEEDED, "", DeadlineEnded, OutcomeUnknown),
        (SC.DEADLINE_EXCEEDED, "OUT_OF_TIME", DeadlineEnded, OutcomeUnknown),
        (SC.INTERNAL, "INTERNAL_DEFECT", ServiceDefect, OutcomeUnknown),
        (SC.UNKNOWN, "", ServiceDefect, OutcomeUnknown),
        (SC.DATA_LOSS, "", ServiceDefect, OutcomeUnknown),
    ],
)
def test_a_failure_means_doubt_only_to_a_write(
    code: grpc.StatusCode, reason: str, read: type[FurlongError], write: type[FurlongError]
) -> None:
    error = rpc_error(code, reason)
    assert type(from_rpc(error)) is read
    assert type(from_rpc(error, [ID])) is write
    assert from_rpc(error, [ID]).request_ids == (ID,)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (SC.UNAVAILABLE, error_pb2.DEPENDENCY_DOWN, Unreachable),
        (SC.DEADLINE_EXCEEDED, error_pb2.OUT_OF_TIME, DeadlineEnded),
    ],
)
def test_a_call_that_was_not_sent_leaves_no_doubt(
    code: grpc.StatusCode, reason: error_pb2.Reason.ValueType, kind: type[FurlongError]
) -> None:
    error = from_rpc(not_sent(code, reason, "kept"), [ID])
    assert type(error) is kind
    assert error.reason == error_pb2.Reason.Name(reason)
    assert error.message == "kept"


def test_all_that_the_service_says_is_told() -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="tickets[0].request_id", description="is no UUID")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1_500)
    error = from_rpc(rpc_error(SC.INVALID_ARGUMENT, "MALFORMED", bad, retry))
    assert error.violations == (Violation(field="tickets[0].request_id", description="is no UUID"),)
    assert error.retry_in_ms == 1_500
    assert error.metadata == {"track": "harbour-mile"}
    assert str(error) == "MALFORMED: what happened"


@pytest.mark.parametrize(
    "trailers",
    [None, grpc.aio.Metadata(), grpc.aio.Metadata((DETAILS_KEY, b"\xff\xff")), grpc.aio.Metadata(("other", "entry"))],
)
def test_without_readable_details_the_status_still_tells(trailers: grpc.aio.Metadata | None) -> None:
    error = from_rpc(grpc.aio.AioRpcError(SC.NOT_FOUND, None, trailers, "gone"))
    assert (type(error), error.reason, str(error)) == (CallRefused, "", "NOT_FOUND: gone")


async def test_waiting_for_an_answer_raises_ours_with_grpcs_as_its_cause() -> None:
    cause = rpc_error(SC.NOT_FOUND, "ROUND_UNKNOWN")

    async def call() -> int:
        raise cause

    with pytest.raises(CallRefused) as caught:
        await answer_of(call())
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("reason", "code", "kind"),
    [
        ("MALFORMED", SC.INVALID_ARGUMENT, CallRefused),
        ("ACCOUNT_NOT_YOURS", SC.PERMISSION_DENIED, CallRefused),
        ("TOKEN_INVALID", SC.UNAUTHENTICATED, CallRefused),
        ("OVERLOADED", SC.RESOURCE_EXHAUSTED, CallRefused),
        ("DRAINING", SC.UNAVAILABLE, Unreachable),
        ("DEPENDENCY_DOWN", SC.UNAVAILABLE, Unreachable),
        ("OUTCOME_UNKNOWN", SC.UNAVAILABLE, OutcomeUnknown),
        ("OUT_OF_TIME", SC.DEADLINE_EXCEEDED, OutcomeUnknown),
        ("INTERNAL_DEFECT", SC.INTERNAL, OutcomeUnknown),
    ],
)
def test_a_refused_message_of_a_stream_means_what_the_refused_call_means(
    reason: str, code: grpc.StatusCode, kind: type[FurlongError]
) -> None:
    refused = error_pb2.Refused(reason=error_pb2.Reason.Value(reason), message="no", retry_in_ms=70)
    error = from_refused(refused, [ID])
    assert (type(error), error.code, error.reason, error.message) == (kind, code, reason, "no")
    assert (error.request_ids, error.retry_in_ms) == ((ID,), 70)


def test_a_reason_that_this_client_does_not_know_leaves_a_message_in_doubt() -> None:
    error = from_refused(error_pb2.Refused(reason=9_999), [ID])  # type: ignore[arg-type] # of a later version
    assert (type(error), error.reason, error.retry_in_ms) == (OutcomeUnknown, "", None)
