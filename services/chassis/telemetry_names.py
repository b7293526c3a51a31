"""The registry of telemetry names: every metric and attribute with its unit and what it means.

Code uses these constants and never a literal. Names of OpenTelemetry's semantic conventions are taken as they are;
our own begin with `furlong.`. A service keeps a registry of its own for what only it knows, of the same kind.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `unit` is of the UCUM kind: "s", or "{call}" for things that are counted."""

    name: str
    unit: str
    brief: str
    attributes: tuple[str, ...] = ()

    def histogram(self, meter: Meter) -> Histogram:
        """Make the instrument for a distribution."""
        return meter.create_histogram(self.name, unit=self.unit, description=self.brief)

    def counter(self, meter: Meter) -> Counter:
        """Make the instrument for something that only grows."""
        return meter.create_counter(self.name, unit=self.unit, description=self.brief)

    def growing(self, meter: Meter, observe: Callable[[], Iterable[Observation]]) -> None:
        """Make the instrument for sums that somebody keeps, looked at when metrics are collected."""

        def look(_: CallbackOptions) -> Iterable[Observation]:
            return observe()

        meter.create_observable_counter(self.name, [look], unit=self.unit, description=self.brief)

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
DB_SYSTEM_NAME: Final = "db.system.name"
DB_OPERATION_NAME: Final = "db.operation.name"
FURLONG_REASON: Final = "furlong.reason"
FURLONG_ADMISSION: Final = "furlong.admission"
FURLONG_STREAM: Final = "furlong.stream"
FURLONG_TRACK: Final = "furlong.track"
FURLONG_VERDICT: Final = "furlong.verdict"
FURLONG_TICKET_IDS: Final = "furlong.ticket.ids"
FURLONG_CACHE_NAMESPACE: Final = "furlong.cache.namespace"
FURLONG_CACHE_TIER: Final = "furlong.cache.tier"
FURLONG_CACHE_OUTCOME: Final = "furlong.cache.outcome"

ATTRIBUTES: Final = (
    Attribute(name=RPC_SYSTEM_NAME, brief="always grpc"),
    Attribute(name=RPC_METHOD, brief="full name of the method, package.Service/Method"),
    Attribute(name=RPC_RESPONSE_STATUS_CODE, brief="name of the gRPC status that the call ended with"),
    Attribute(name=ERROR_TYPE, brief="what went wrong, where something did: a gRPC status or the name of an exception"),
    Attribute(name=DB_SYSTEM_NAME, brief="which database, like postgresql"),
    Attribute(name=DB_OPERATION_NAME, brief="name of the statement or transaction"),
    Attribute(name=FURLONG_REASON, brief="reason of a refusal, a name of furlong.common.v1.Reason"),
    Attribute(name=FURLONG_ADMISSION, brief="class of methods that share a limit, READ, WRITE, STREAM or RESERVED"),
    Attribute(name=FURLONG_STREAM, brief="true on the span of a stream, which lasts as long as somebody listens"),
    Attribute(name=FURLONG_TRACK, brief="name of a track"),
    Attribute(name=FURLONG_VERDICT, brief="verdict on a ticket, a name of furlong.common.v1.TicketResult.Verdict"),
    Attribute(name=FURLONG_TICKET_IDS, brief="ids of the first tickets that a call carried"),
    Attribute(name=FURLONG_CACHE_NAMESPACE, brief="namespace of a cache entry"),
    Attribute(name=FURLONG_CACHE_TIER, brief="tier of the cache that was asked, l1 or l2"),
    Attribute(name=FURLONG_CACHE_OUTCOME, brief="what the tier had, hit, stale or miss"),
)

RPC_SERVER_CALL_DURATION: Final = Metric(
    name="rpc.server.call.duration",
    unit="s",
    brief="time from the arrival of a call to the end of its answer",
    attributes=(RPC_SYSTEM_NAME, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, ERROR_TYPE),
)
DB_CLIENT_OPERATION_DURATION: Final = Metric(
    name="db.client.operation.duration",
    unit="s",
    brief="time from asking the database to its answer, the wait for a connection included",
    attributes=(DB_SYSTEM_NAME, DB_OPERATION_NAME, ERROR_TYPE),
)
ADMISSION_IN_PROGRESS: Final = Metric(
    name="furlong.admission.in_progress",
    unit="{call}",
    brief="calls in progress in each admission class",
    attributes=(FURLONG_ADMISSION,),
)
TICKETS: Final = Metric(
    name="furlong.tickets",
    unit="{ticket}",
    brief="tickets that were decided on, each once however often it was sent",
    attributes=(FURLONG_TRACK, FURLONG_VERDICT),
)
STAKES: Final = Metric(
    name="furlong.stake_minor",
    unit="{minor_unit}",
    brief="stakes of the accepted tickets, in minor units of the track's currency",
    attributes=(FURLONG_TRACK,),
)
WATCHERS: Final = Metric(
    name="furlong.watchers",
    unit="{watcher}",
    brief="who watches a track at one replica",
    attributes=(FURLONG_TRACK,),
)
CACHE_REQUESTS: Final = Metric(
    name="furlong.cache.requests",
    unit="{request}",
    brief="look-ups of one entry in one tier of the cache",
    attributes=(FURLONG_CACHE_NAMESPACE, FURLONG_CACHE_TIER, FURLONG_CACHE_OUTCOME),
)
METRICS: Final = (
    RPC_SERVER_CALL_DURATION,
    DB_CLIENT_OPERATION_DURATION,
    ADMISSION_IN_PROGRESS,
    TICKETS,
    STAKES,
    WATCHERS,
    CACHE_REQUESTS,
)
