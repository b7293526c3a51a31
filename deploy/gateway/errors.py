"""What the gateway says when it answers by itself, in the shape in which the services say it.

A client sees one shape of error, whoever refused it: `{"code": 3, "message": "...", "details": [ErrorInfo, ...]}` over
REST, and a status with the same details over gRPC. This table is the only place where the gateway's own refusals
stand; rows are tried in order, the first that fits wins.

A broken upstream connection is told apart by what may have happened: where no connection came about, nothing was
done; where one broke under a call, a ticket may have been accepted, so the outcome is unknown.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from furlong.common.v1.error_pb2 import Reason
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped]  # ships no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no types

DOMAIN = "furlong"
RETRY_DELAY_MS = 1_000
"""When an overloaded gateway asks a client to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row: when it applies and what is said.

    It applies when one of Envoy's response `flags` is set or Envoy's own answer has one of the `statuses`.
    """

    flags: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    http_status: int
    rest_code: grpc.StatusCode
    grpc_code: grpc.StatusCode | None = None  # where it is not the code told over REST
    reason: "Reason.ValueType"
    message: str
    retry: bool = False

    @property
    def details(self) -> list[ErrorInfo | RetryInfo]:
        """The details of the error, as messages."""
        info = ErrorInfo(reason=Reason.Name(self.reason), domain=DOMAIN)
        delay = RetryInfo(retry_delay=Duration(seconds=RETRY_DELAY_MS // 1_000))
        return [info, delay] if self.retry else [info]


REFUSALS: Sequence[Refusal] = (
    Refusal(
        flags=("OM", "UO"),
        http_status=429,
        rest_code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason=Reason.OVERLOADED,
        message="the gateway is overloaded; nothing was done",
        retry=True,
    ),
    Refusal(
        flags=("UF", "UH"),
        http_status=503,
        rest_code=grpc.StatusCode.UNAVAILABLE,
        reason=Reason.DEPENDENCY_DOWN,
        message="the service does not answer; nothing was done",
    ),
    Refusal(
        flags=("UT", "DT"),
        http_status=504,
        rest_code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason=Reason.OUT_OF_TIME,
        message="the service did not answer in time",
    ),
    Refusal(
        flags=("UC", "UR", "LR", "UPE"),
        http_status=503,
        rest_code=grpc.StatusCode.UNAVAILABLE,
        reason=Reason.OUTCOME_UNKNOWN,
        message="the connection to the service broke under the call; the same request ids again tell what happened",
    ),
    Refusal(
        flags=("SI",),
        statuses=(408,),
        http_status=504,
        rest_code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason=Reason.OUT_OF_TIME,
        message="the request did not arrive in time",
    ),
    Refusal(
        flags=("NR",),
        statuses=(404, 405, 501),
        http_status=404,
        rest_code=grpc.StatusCode.NOT_FOUND,
        grpc_code=grpc.StatusCode.UNIMPLEMENTED,
        reason=Reason.METHOD_UNKNOWN,
        message="no such method: path, verb and query parameters must be those of the contract",
    ),
    Refusal(
        statuses=(413, 507),
        http_status=413,
        rest_code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=Reason.MALFORMED,
        message="the request's body is too large",
    ),
    Refusal(
        statuses=(431,),
        http_status=431,
        rest_code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=Reason.MALFORMED,
        message="the request's headers are too large",
    ),
    Refusal(
        statuses=(400, 415, 426),
        http_status=400,
        rest_code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=Reason.MALFORMED,
        message="the request cannot be read: %LOCAL_REPLY_BODY%",
    ),
    Refusal(
        statuses=(503,),
        http_status=503,
        rest_code=grpc.StatusCode.UNAVAILABLE,
        reason=Reason.DEPENDENCY_DOWN,
        message="the service does not answer; nothing was done",
    ),
    Refusal(
        statuses=(500,),
        http_status=500,
        rest_code=grpc.StatusCode.INTERNAL,
        reason=Reason.INTERNAL_DEFECT,
        message="a defect of the gateway",
    ),
)


def mappers() -> list[dict[str, Any]]:
    """The table in the words of Envoy's `local_reply_config`: each row once for gRPC, once for REST."""
    return [mapper for refusal in REFUSALS for mapper in (_over_grpc(refusal), _over_rest(refusal))]


def _over_rest(refusal: Refusal) -> dict[str, Any]:
    return {
        "filter": _applies(refusal),
        "status_code": refusal.http_status,
        "body_format_override": {
            "json_format": {
                "code": _number(refusal.rest_code),
                "message": refusal.message,
                "details": [_json(detail) for detail in refusal.details],
            }
        },
    }


def _over_grpc(refusal: Refusal) -> dict[str, Any]:
    """Envoy puts the text into grpc-message; the details travel where every gRPC library looks for them."""
    code = _number(refusal.grpc_code or refusal.rest_code)
    status = Status(code=code, message=refusal.message)
    for detail in refusal.details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    encoded = base64.b64encode(status.SerializeToString()).decode().rstrip("=")
    return {
        "filter": {"and_filter": {"filters": [_is_grpc(), _applies(refusal)]}},
        "headers_to_add": [
            _header("grpc-status", str(code)),
            _header("grpc-status-details-bin", encoded),
        ],
        "body_format_override": {"text_format_source": {"inline_string": refusal.message}},
    }


def _applies(refusal: Refusal) -> dict[str, Any]:
    by_flag: list[dict[str, Any]] = [{"response_flag_filter": {"flags": list(refusal.flags)}}] if refusal.flags else []
    by_status = [
        {
            "status_code_filter": {
                "comparison": {"op": "EQ", "value": {"default_value": status, "runtime_key": "furlong.unused"}}
            }
        }
        for status in refusal.statuses
    ]
    filters = by_flag + by_status
    return filters[0] if len(filters) == 1 else {"or_filter": {"filters": filters}}


def _is_grpc() -> dict[str, Any]:
    """A request that came as gRPC; one that was transcoded looks the same but remembers the path it came with."""
    content_type = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    transcoded = {"name": "x-envoy-original-path", "present_match": False}
    return {"and_filter": {"filters": [{"header_filter": {"header": header}} for header in (content_type, transcoded)]}}


def _header(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _json(detail: ErrorInfo | RetryInfo) -> dict[str, Any]:
    """A detail as the transcoder prints it: under its type, with the proto's own names."""
    kind = {"@type": f"type.googleapis.com/{detail.DESCRIPTOR.full_name}"}
    if isinstance(detail, ErrorInfo):
        return {**kind, "reason": detail.reason, "domain": detail.domain, "metadata": {}}
    return {**kind, "retry_delay": detail.retry_delay.ToJsonString()}


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number
