"""How a refusal looks on the wire; which status a reason becomes is told by the table in `furlong.client.reasons`.

Every error carries exactly one `google.rpc.ErrorInfo`; `BadRequest` names fields, `RetryInfo` a time to come back.
"""

from typing import Final

import grpc
from furlong.client.reasons import STATUS
from furlong.common.v1.error_pb2 import Reason
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # ships no types
from grpc_status import rpc_status

from services.chassis.refusal import Refusal

DOMAIN: Final = "furlong"


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
