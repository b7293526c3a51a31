"""What can go wrong with a call, as one tree.

FurlongError
├── CallRefused      the service answered no and did nothing: the request, the right to it or the moment is wrong
├── Unreachable      no service answered, or the one that did says that a part it needs is down
├── DeadlineEnded    the time was over before there was an answer
├── ServiceDefect    the service broke while it worked on the call: a defect of its own
└── OutcomeUnknown   a write may or may not have happened; sending the same request id again tells which

A method that writes reports every failure that leaves it in doubt as OutcomeUnknown, with the first failure as its
cause; a method that reads never does.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import grpc
from furlong.client.reasons import STATUS
from furlong.common.v1 import error_pb2, ticket_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types

DOMAIN = "furlong"
DETAILS_KEY = "grpc-status-details-bin"
"""Name of the metadata entry in which gRPC carries a google.rpc.Status."""

_T = TypeVar("_T")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One field that breaks the contract of its request."""

    field: str
    description: str


class FurlongError(Exception):
    """A call that has no answer to give.

    `code` is gRPC's status; `reason` the name of a furlong.common.v1.Reason, empty where the failure came from
    outside Furlong; `violations` the fields that were wrong; `retry_in_ms` when the service wants to be asked again,
    in milliseconds, None where it does not say; `metadata` the facts of the reason by name. `answered` holds the
    tickets of the same `place()` that were answered before it failed, `request_ids` the ids that the failed call
    carried.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        message: str = "",
        *,
        request_ids: Sequence[str] = (),
        violations: Sequence[Violation] = (),
        retry_in_ms: int | None = None,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(f"{reason or code.name}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.request_ids = tuple(request_ids)
        self.violations = tuple(violations)
        self.retry_in_ms = retry_in_ms
        self.metadata = metadata
        self.answered: tuple[ticket_pb2.TicketResult, ...] = ()


class CallRefused(FurlongError):
    """The service answered no and did nothing."""


class Unreachable(FurlongError):
    """No service answered, or the one that did says that a part it needs is down."""


class DeadlineEnded(FurlongError):
    """The time was over before there was an answer."""


class ServiceDefect(FurlongError):
    """The service broke while it worked on the call."""


class OutcomeUnknown(FurlongError):
    """A write may or may not have happened. Sending the same request ids with the same content again tells which."""


class NotSent(grpc.aio.AioRpcError):
    """A call refused on this side: nothing went out, so nothing can have happened."""


# Every status but OK, and what it means to a caller.
KINDS: Mapping[grpc.StatusCode, type[FurlongError]] = MappingProxyType(
    {
        grpc.StatusCode.CANCELLED: Unreachable,  # not by us: our own cancelling is asyncio.CancelledError
        grpc.StatusCode.UNKNOWN: ServiceDefect,
        grpc.StatusCode.INVALID_ARGUMENT: CallRefused,
        grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineEnded,
        grpc.StatusCode.NOT_FOUND: CallRefused,
        grpc.StatusCode.ALREADY_EXISTS: CallRefused,
        grpc.StatusCode.PERMISSION_DENIED: CallRefused,
        grpc.StatusCode.UNAUTHENTICATED: CallRefused,
        grpc.StatusCode.RESOURCE_EXHAUSTED: CallRefused,
        grpc.StatusCode.FAILED_PRECONDITION: CallRefused,
        grpc.StatusCode.ABORTED: CallRefused,
        grpc.StatusCode.OUT_OF_RANGE: CallRefused,
        grpc.StatusCode.UNIMPLEMENTED: CallRefused,
        grpc.StatusCode.INTERNAL: ServiceDefect,
        grpc.StatusCode.UNAVAILABLE: Unreachable,
        grpc.StatusCode.DATA_LOSS: ServiceDefect,
    }
)

# Statuses other than CallRefused's that nevertheless say that nothing was done.
_NOTHING_DONE = frozenset({"DEPENDENCY_DOWN", "DRAINING"})


def not_sent(code: grpc.StatusCode, reason: "error_pb2.Reason.ValueType", message: str) -> NotSent:
    """Make the error of a call that is refused on this side, with an ErrorInfo as a server would send it."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error_pb2.Reason.Name(reason), domain=DOMAIN))
    trailers = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return NotSent(code, grpc.aio.Metadata(), trailers, message)


def from_rpc(error: grpc.aio.AioRpcError, request_ids: Sequence[str] = ()) -> FurlongError:
    """Turn gRPC's error into Furlong's. `request_ids` are those of the write that failed, if it was one."""
    code, message = error.code(), error.details() or ""
    info, violations, retry_in_ms = _details(error)
    unknown = info.reason == "OUTCOME_UNKNOWN" or (request_ids and leaves_doubt(error, info.reason))
    return (OutcomeUnknown if unknown else KINDS[code])(
        code,
        info.reason,
        message,
        request_ids=request_ids,
        violations=violations,
        retry_in_ms=retry_in_ms,
        metadata=dict(info.metadata),
    )


def from_refused(refused: error_pb2.Refused, request_ids: Sequence[str]) -> FurlongError:
    """Turn the refusal of one message of a stream into Furlong's error. `request_ids` are those that it carried."""
    # A reason that is newer than this client says nothing; nothing is taken for granted then.
    code = STATUS.get(refused.reason, grpc.StatusCode.UNKNOWN)
    reason = error_pb2.Reason.Name(refused.reason) if refused.reason in STATUS else ""
    nothing_done = reason in _NOTHING_DONE or KINDS[code] is CallRefused
    return (KINDS[code] if nothing_done else OutcomeUnknown)(
        code, reason, refused.message, request_ids=request_ids, retry_in_ms=refused.retry_in_ms or None
    )


def leaves_doubt(error: grpc.aio.AioRpcError, reason: str) -> bool:
    """Tell whether a write that failed so, with an ErrorInfo of this reason, may have happened nevertheless."""
    if isinstance(error, NotSent) or reason in _NOTHING_DONE:
        return False
    return KINDS[error.code()] is not CallRefused


async def answer_of(call: Awaitable[_T], request_ids: Sequence[str] = ()) -> _T:
    """Wait for the answer to a call. Raises a FurlongError; a write gives its ids, to tell doubt from refusal."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error, request_ids) from error


def _details(
    error: grpc.aio.AioRpcError,
) -> tuple[error_details_pb2.ErrorInfo, tuple[Violation, ...], int | None]:
    info = error_details_pb2.ErrorInfo()
    violations: tuple[Violation, ...] = ()
    retry_in_ms: int | None = None
    bad, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in _status(error).details:
        if detail.Unpack(bad):
            violations = tuple(Violation(field=v.field, description=v.description) for v in bad.field_violations)
        elif detail.Unpack(retry):
            retry_in_ms = retry.retry_delay.ToMilliseconds()
        else:
            detail.Unpack(info)
    return info, violations, retry_in_ms


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Read the rich status; an empty one where there is none, or where something on the way has damaged it."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
