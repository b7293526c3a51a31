"""The registry of telemetry names: every metric and attribute with its unit and what it means.

Code uses these constants and never a literal. Names of OpenTelemetry's semantic conventions are taken as they are;
our own begin with `furlong.`. A service keeps a registry of its own for what only it knows, of the same kind.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `unit` is of the UCUM kind: "s", or "{call}" for things that are counted."""

    name: str
    unit: str
    brief: str
    attributes: tuple[str, ...] = ()
    bounds: Sequence[float] | None = None

    def histogram(self, meter: Meter) -> Histogram:
        """Make the instrument for a distribution; `bounds` are its buckets."""
        return meter.create_histogram(
            self.name, unit=self.unit, description=self.brief, explicit_bucket_boundaries_advisory=self.bounds
        )

    def gauge(self, meter: Meter, observe: Callable[[], Iterable[Observation]]) -> None:
        """Make the instrument for something that is looked at when metrics are collected."""

        def look(_: CallbackOptions) -> Iterable[Observation]:
            return observe()

        meter.create_observable_gauge(self.name, [look], unit=self.unit, description=self.brief)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of spans or metrics, for the reference; code uses the name alone."""

    name: str
    brief: str


RPC_SYSTEM_NAME: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_RESPONSE_STATUS_CODE: Final = "rpc.response.status_code"
ERROR_TYPE: Final = "error.type"
FURLONG_REASON: Final = "furlong.reason"
FURLONG_ADMISSION: Final = "furlong.admission"

ATTRIBUTES: Final = (
    Attribute(name=RPC_SYSTEM_NAME, brief="always grpc"),
    Attribute(name=RPC_METHOD, brief="full name of the method, package.Service/Method"),
    Attribute(name=RPC_RESPONSE_STATUS_CODE, brief="name of the gRPC status that the call ended with"),
    Attribute(name=ERROR_TYPE, brief="name of the gRPC status of a call that failed"),
    Attribute(name=FURLONG_REASON, brief="reason of a refusal, a name of furlong.common.v1.Reason"),
    Attribute(name=FURLONG_ADMISSION, brief="class of methods that share a limit, READ, WRITE, STREAM or RESERVED"),
)

RPC_SERVER_CALL_DURATION: Final = Metric(
    name="rpc.server.call.duration",
    unit="s",
    brief="time from the arrival of a call to the end of its answer",
    attributes=(RPC_SYSTEM_NAME, RPC_METHOD, RPC_RESPONSE_STATUS_CODE),
    bounds=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)
ADMISSION_IN_PROGRESS: Final = Metric(
    name="furlong.admission.in_progress",
    unit="{call}",
    brief="calls in progress in each admission class",
    attributes=(FURLONG_ADMISSION,),
)
METRICS: Final = (RPC_SERVER_CALL_DURATION, ADMISSION_IN_PROGRESS)
