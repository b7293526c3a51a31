"""A refusal: an error that we expected and that the caller is told about in full.

Anything else that a handler raises is a defect of ours and is answered without details. Which gRPC status a reason
becomes is told by `furlong.client.reasons`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from furlong.common.v1.error_pb2 import Reason

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that is wrong with one field of a request."""

    field: str
    description: str


class Refusal(Exception):
    """Raised to end a call with a reason.

    `message` is for people and is sent to the caller: it names what was wrong, never a secret. `retry_in_ms` (1 or
    more) tells when it makes sense to come back, `violations` which fields broke the contract, and `metadata` repeats
    for machines what the message says in words.
    """

    def __init__(
        self,
        reason: Reason.ValueType,
        message: str,
        *,
        retry_in_ms: int | None = None,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        assert reason != Reason.REASON_UNSPECIFIED, "a refusal has a reason"
        assert retry_in_ms is None or retry_in_ms > 0, f"coming back in {retry_in_ms} ms makes no sense"
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_in_ms = retry_in_ms
        self.violations = tuple(violations)
        self.metadata = metadata

    def __str__(self) -> str:
        return f"{Reason.Name(self.reason)}: {self.message}"
