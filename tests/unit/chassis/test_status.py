"""Every reason has one status, and a refusal says everything on the wire that it knows."""

import grpc
import pytest
from furlong.client.reasons import STATUS
from furlong.common.v1.error_pb2 import Reason
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types

from services.chassis.refusal import Refusal, Violation
from services.chassis.status import to_rpc_status

# What the contracts promise where their comments name a status.
PROMISED = [
    (Reason.MALFORMED, grpc.StatusCode.INVALID_ARGUMENT),
    (Reason.TOKEN_MISSING, grpc.StatusCode.UNAUTHENTICATED),
    (Reason.ROLE_MISSING, grpc.StatusCode.PERMISSION_DENIED),
    (Reason.PROOF_NOT_READY, grpc.StatusCode.FAILED_PRECONDITION),
    (Reason.LEASE_HELD, grpc.StatusCode.FAILED_PRECONDITION),
    (Reason.EPOCH_STALE, grpc.StatusCode.FAILED_PRECONDITION),
    (Reason.OVERLOADED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Reason.OUTCOME_UNKNOWN, grpc.StatusCode.UNAVAILABLE),
    (Reason.DRAINING, grpc.StatusCode.UNAVAILABLE),
    (Reason.FELL_BEHIND, grpc.StatusCode.OUT_OF_RANGE),
]


def read_status(refusal: Refusal) -> status_pb2.Status:
    metadata = dict(to_rpc_status(refusal).trailing_metadata or ())
    return status_pb2.Status.FromString(metadata["grpc-status-details-bin"])


def test_every_reason_has_a_status_and_none_is_a_success() -> None:
    assert set(STATUS) == set(Reason.values()) - {Reason.REASON_UNSPECIFIED}
    assert grpc.StatusCode.OK not in STATUS.values()


@pytest.mark.parametrize(("reason", "code"), PROMISED)
def test_a_reason_has_the_status_that_the_contracts_promise(reason: Reason.ValueType, code: grpc.StatusCode) -> None:
    assert STATUS[reason] is code


@pytest.mark.parametrize("reason", [reason for reason in Reason.values() if reason])
def test_every_refusal_carries_one_error_info_of_the_domain(reason: Reason.ValueType) -> None:
    status = read_status(Refusal(reason, "why", metadata={"track": "harbour-mile"}))
    info = error_details_pb2.ErrorInfo()
    assert [detail.Unpack(info) for detail in status.details] == [True]
    assert (info.reason, info.domain, dict(info.metadata)) == (
        Reason.Name(reason),
        "furlong",
        {"track": "harbour-mile"},
    )
    assert (status.code, status.message) == (STATUS[reason].value[0], "why")


def test_violations_travel_as_bad_request() -> None:
    refusal = Refusal(Reason.MALFORMED, "no", violations=[Violation(field="stake_minor", description="is negative")])
    bad = error_details_pb2.BadRequest()
    read_status(refusal).details[1].Unpack(bad)
    assert [(each.field, each.description) for each in bad.field_violations] == [("stake_minor", "is negative")]


@pytest.mark.parametrize(("retry_in_ms", "seconds", "nanos"), [(1, 0, 1_000_000), (2_500, 2, 500_000_000)])
def test_a_time_to_come_back_travels_as_retry_info(retry_in_ms: int, seconds: int, nanos: int) -> None:
    retry = error_details_pb2.RetryInfo()
    read_status(Refusal(Reason.OVERLOADED, "full", retry_in_ms=retry_in_ms)).details[1].Unpack(retry)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (seconds, nanos)


@pytest.mark.parametrize("retry_in_ms", [0, -1])
def test_a_refusal_to_come_back_in_the_past_is_a_mistake_of_ours(retry_in_ms: int) -> None:
    with pytest.raises(AssertionError):
        Refusal(Reason.OVERLOADED, "full", retry_in_ms=retry_in_ms)
