"""The one table from a reason to a gRPC status, and how a refusal looks on the wire.

Every error carries exactly one `google.rpc.ErrorInfo`; `BadRequest` names fields, `RetryInfo` a time to come back.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import grpc
from furlong.common.v1.error_pb2 import Reason
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types
from grpc import StatusCode
from grpc_status import rpc_status

from services.chassis.refusal import Refusal

DOMAIN: Final = "furlong"

STATUS: Final[Mapping[Reason.ValueType, StatusCode]] = MappingProxyType(
    {
        Reason.MALFORMED: StatusCode.INVALID_ARGUMENT,
        Reason.TOKEN_MISSING: StatusCode.UNAUTHENTICATED,
        Reason.TOKEN_INVALID: StatusCode.UNAUTHENTICATED,
        Reason.ROLE_MISSING: StatusCode.PERMISSION_DENIED,
        Reason.ACCOUNT_NOT_YOURS: StatusCode.PERMISSION_DENIED,
        Reason.TRACK_NOT_FOUND: StatusCode.NOT_FOUND,
        Reason.ROUND_UNKNOWN: StatusCode.NOT_FOUND,
        Reason.TICKET_UNKNOWN: StatusCode.NOT_FOUND,
        Reason.ACCOUNT_UNKNOWN: StatusCode.NOT_FOUND,
        Reason.REQUEST_REUSED: StatusCode.FAILED_PRECONDITION,
        Reason.TRACK_EXISTS: StatusCode.ALREADY_EXISTS,
        Reason.ROUND_PHASE: StatusCode.FAILED_PRECONDITION,
        Reason.TOO_EARLY: StatusCode.FAILED_PRECONDITION,
        Reason.EPOCH_STALE: StatusCode.FAILED_PRECONDITION,
        Reason.LEASE_HELD: StatusCode.FAILED_PRECONDITION,
        Reason.CARD_MISSING: StatusCode.FAILED_PRECONDITION,
        Reason.PROOF_NOT_READY: StatusCode.FAILED_PRECONDITION,
        Reason.CURRENCY_MISMATCH: StatusCode.FAILED_PRECONDITION,
        Reason.OVERLOADED: StatusCode.RESOURCE_EXHAUSTED,
        Reason.OUTCOME_UNKNOWN: StatusCode.UNAVAILABLE,
        Reason.DRAINING: StatusCode.UNAVAILABLE,
        Reason.FELL_BEHIND: StatusCode.OUT_OF_RANGE,
        Reason.DEPENDENCY_DOWN: StatusCode.UNAVAILABLE,
        Reason.OUT_OF_TIME: StatusCode.DEADLINE_EXCEEDED,
        Reason.INTERNAL_DEFECT: StatusCode.INTERNAL,
        Reason.METHOD_UNKNOWN: StatusCode.UNIMPLEMENTED,
        Reason.FUNDS_MISSING: StatusCode.FAILED_PRECONDITION,
        Reason.TRACE_UNKNOWN: StatusCode.NOT_FOUND,
        Reason.TICKET_STATE: StatusCode.FAILED_PRECONDITION,
        Reason.ACCOUNT_KIND: StatusCode.FAILED_PRECONDITION,
        Reason.ACCOUNT_STOPPED: StatusCode.FAILED_PRECONDITION,
    }
)


def to_rpc_status(refusal: Refusal) -> grpc.Status:
    """Render a refusal as what `context.abort_with_status` takes."""
    code = STATUS[refusal.reason]
    status = status_pb2.Status(code=code.value[0], message=refusal.message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=Reason.Name(refusal.reason), domain=DOMAIN, metadata=dict(refusal.metadata))
    )
    if refusal.violations:
        status.details.add().Pack(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.description)
                    for each in refusal.violations
                ]
            )
        )
    if refusal.retry_in_ms is not None:
        seconds, ms = divmod(refusal.retry_in_ms, 1_000)
        status.details.add().Pack(
            error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds, nanos=ms * 1_000_000))
        )
    return rpc_status.to_status(status)
