"""The outermost stage: whatever is raised within becomes exactly one answer, and defects tell no details."""

from typing import Any, Final

import grpc
import structlog
from furlong.common.v1.error_pb2 import Reason
from furlong.common.v1.policy_pb2 import Admission
from opentelemetry import trace

from services.chassis.call import Call, Handler, Method
from services.chassis.line_budget import LineBudget
from services.chassis.refusal import Refusal
from services.chassis.status import to_rpc_status

ATTEMPTS_BEFORE: Final = "grpc-previous-rpc-attempts"
"""The header by which gRPC's own retries say how many attempts of this call came before."""

_NOTHING_DONE: Final = frozenset((Reason.OVERLOADED, Reason.DRAINING, Reason.DEPENDENCY_DOWN))
"""Refusals that tell the caller that nothing was done."""

log = structlog.get_logger(__name__)


class Recovery:
    """Answers a refusal by the status table and anything else with INTERNAL_DEFECT and the trace that leads to it.

    A cancelled call is left alone: nobody waits for its answer. So is a call that was aborted by hand.

    "Nothing was done" is true of this attempt only. Where gRPC sent a write again by itself, an earlier attempt may
    have committed and lost its answer, and the caller sees the last one alone: it is told that nobody knows.
    """

    def __init__(self, budget: LineBudget) -> None:
        self._budget = budget

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""
        may_have_written = method.policy.retryable and method.policy.admission != Admission.READ

        async def recover(request: Any, call: Call) -> Any:
            try:
                return await inner(request, call)
            except Refusal as refusal:
                answer = refusal
                if may_have_written and refusal.reason in _NOTHING_DONE and ATTEMPTS_BEFORE in call.headers:
                    answer = _in_doubt(refusal)
            except grpc.aio.AbortError:
                raise
            except Exception as defect:
                answer = self.confess(method, defect)
            return await call.context.abort_with_status(to_rpc_status(answer))

        return recover

    def confess(self, method: Method, defect: Exception) -> Refusal:
        """Log a defect, and make of it what its caller may know."""
        kept_back = self._budget.spend((method.name, "defect"))
        if kept_back is not None:
            log.error("defect", rpc_method=method.name, kept_back=kept_back, exc_info=defect)
        # The tracing stage never detaches its span, so the trace is still known out here.
        trace_id = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
        return Refusal(
            Reason.INTERNAL_DEFECT, f"a defect of ours, see trace {trace_id}", metadata={"trace_id": trace_id}
        )


def _in_doubt(refusal: Refusal) -> Refusal:
    return Refusal(
        Reason.OUTCOME_UNKNOWN,
        f"an earlier attempt may have done it, this one did not: {refusal.message}",
        retry_in_ms=refusal.retry_in_ms,
    )
