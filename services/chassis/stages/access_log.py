"""One log line per call that is worth reading.

Calls that went well are logged at level debug only: at thousands a second their lines would cost more than they tell,
and how many there are and how long they take is in the metrics. A refusal is logged at info, because it is news to the
caller rather than to us; a failure of ours at warning. Each kind of line is bounded per second (see LineBudget).
"""

from time import perf_counter
from typing import Any, Final

import structlog
from furlong.common.v1.error_pb2 import Reason
from grpc import StatusCode

from services.chassis.call import Call, Handler, Method
from services.chassis.line_budget import LineBudget
from services.chassis.outcome import code_of
from services.chassis.principal import current_subject
from services.chassis.refusal import Refusal

log = structlog.get_logger(__name__)

_OURS: Final = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }
)


class AccessLog:
    """Writes the line. It tells method, status, reason, duration and caller; never a request, a token or a stake."""

    def __init__(self, budget: LineBudget, *, successes: bool) -> None:
        self._budget = budget
        self._successes = successes

    def around(self, method: Method, inner: Handler) -> Handler:
        """Wrap the rest of the way."""

        async def log_call(request: Any, call: Call) -> Any:
            began_s = perf_counter()
            try:
                response = await inner(request, call)
            except BaseException as error:
                self._tell_failure(method, call, error, began_s)
                raise
            if self._successes:
                log.debug("call", **_line(method, StatusCode.OK, began_s))
            return response

        return log_call

    def _tell_failure(self, method: Method, call: Call, error: BaseException, began_s: float) -> None:
        code = code_of(error, call.context)
        reason = Reason.Name(error.reason) if isinstance(error, Refusal) else ""
        kept_back = self._budget.spend((method.name, reason or code.name))
        if kept_back is None:
            return
        tell = log.warning if code in _OURS else log.info
        tell(
            "call",
            **_line(method, code, began_s),
            reason=reason,
            message=error.message if isinstance(error, Refusal) else "",
            kept_back=kept_back,
        )


def _line(method: Method, code: StatusCode, began_s: float) -> dict[str, Any]:
    return {
        "rpc_method": method.name,
        "code": code.name,
        "duration_ms": round((perf_counter() - began_s) * 1_000, 3),
        "subject": current_subject(),
    }
