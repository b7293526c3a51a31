"""The one table from a reason to a gRPC status. Servers end calls by it, and clients read refusals by it that came
without a status, as the answer to one message of a stream."""

from collections.abc import Mapping
from types import MappingProxyType

from furlong.common.v1.error_pb2 import Reason
from grpc import StatusCode

STATUS: Mapping[Reason.ValueType, StatusCode] = MappingProxyType(
    {
        Reason.MALFORMED: StatusCode.INVALID_ARGUMENT,
        Reason.TOKEN_MISSING: StatusCode.UNAUTHENTICATED,
        Reason.TOKEN_INVALID: StatusCode.UNAUTHENTICATED,
        Reason.ROLE_MISSING: StatusCode.PERMISSION_DENIED,
        Reason.ACCOUNT_NOT_YOURS: StatusCode.PERMISSION_DENIED,
        Reason.TERMINAL_NOT_YOURS: StatusCode.PERMISSION_DENIED,
        Reason.PEER_NOT_ALLOWED: StatusCode.PERMISSION_DENIED,
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
        Reason.RESULT_SOURCE: StatusCode.FAILED_PRECONDITION,
        Reason.PRICES_FIXED: StatusCode.FAILED_PRECONDITION,
    }
)
