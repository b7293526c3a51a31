"""What OpenTelemetry's own exporters send is told again by metrics."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import pytest
from furlong.metrics.v1.metrics_service_pb2 import ListSlowCallsRequest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from services.chassis import telemetry_names as names
from tests.observing import Observing, observing

METHOD = "furlong.game.v1.TicketService/PlaceTickets"
TICKET = "01890000-0000-7000-8000-000000000001"
FINE = ExponentialBucketHistogramAggregation(max_size=320)
WIDE = ExplicitBucketHistogramAggregation(boundaries=[0.0001 * 1.05**n for n in range(240)])


@pytest.fixture
async def seen() -> AsyncIterator[Observing]:
    async with observing() as running:
        yield running


@contextmanager
def measuring(
    endpoint: str,
    *,
    service: str = "game",
    instance: str = "one",
    aggregation: Aggregation = FINE,
    temporality: AggregationTemporality = AggregationTemporality.CUMULATIVE,
) -> Iterator[MeterProvider]:
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(
            endpoint=endpoint,
            insecure=True,
            preferred_aggregation={Histogram: aggregation},
            preferred_temporality={Histogram: temporality, Counter: temporality},
        ),
        export_interval_millis=float("inf"),
    )
    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    try:
        yield provider
    finally:
        provider.shutdown()


@contextmanager
def recording(endpoint: str, *, service: str) -> Iterator[TracerProvider]:
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    try:
        yield provider
    finally:
        provider.shutdown()


async def flush(provider: MeterProvider | TracerProvider) -> None:
    assert await asyncio.to_thread(provider.force_flush)


def exact(values: list[float], percent: int) -> float:
    return sorted(values)[-(-len(values) * percent // 100) - 1]


@pytest.mark.parametrize("temporality", [AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])
@pytest.mark.parametrize("aggregation", [FINE, WIDE], ids=["exponential", "explicit"])
async def test_percentiles_of_calls_are_close_to_the_exact_ones(
    seen: Observing, aggregation: Aggregation, temporality: AggregationTemporality
) -> None:
    chance = random.Random(17)
    took_s = [chance.lognormvariate(-6, 1) for _ in range(2_000)]
    with measuring(seen.endpoint, aggregation=aggregation, temporality=temporality) as provider:
        duration = names.RPC_SERVER_CALL_DURATION.histogram(provider.get_meter("test"))
        for n, each_s in enumerate(took_s):
            duration.record(each_s, {names.RPC_METHOD: METHOD})
            if n in (700, 1_400):
                await flush(provider)
        await flush(provider)
        (figures,) = (await seen.snapshot()).methods
    assert (figures.service, figures.method) == ("game", METHOD)
    assert figures.latency.count == len(took_s)
    assert figures.latency.errors == 0
    for percent, told_us in ((50, figures.latency.p50_us), (95, figures.latency.p95_us), (99, figures.latency.p99_us)):
        assert told_us == pytest.approx(exact(took_s, percent) * 1e6, rel=0.1)
    assert figures.latency.max_us == pytest.approx(max(took_s) * 1e6, rel=0.1)


async def test_calls_that_failed_by_a_fault_of_ours_are_errors(seen: Observing) -> None:
    with measuring(seen.endpoint) as provider:
        duration = names.RPC_SERVER_CALL_DURATION.histogram(provider.get_meter("test"))
        for attributes in (
            {names.RPC_RESPONSE_STATUS_CODE: "OK"},
            {names.RPC_RESPONSE_STATUS_CODE: "NOT_FOUND"},
            {names.RPC_RESPONSE_STATUS_CODE: "INTERNAL", names.ERROR_TYPE: "INTERNAL"},
        ):
            duration.record(0.002, {names.RPC_METHOD: METHOD} | attributes)
        await flush(provider)
        (figures,) = (await seen.snapshot()).methods
    assert (figures.latency.count, figures.latency.errors) == (3, 1)


async def test_replicas_are_told_as_one_service(seen: Observing) -> None:
    with (
        measuring(seen.endpoint, instance="one") as one,
        measuring(seen.endpoint, instance="two") as two,
    ):
        for provider, watchers in ((one, 3), (two, 4)):
            meter = provider.get_meter("test")
            names.RPC_SERVER_CALL_DURATION.histogram(meter).record(0.001, {names.RPC_METHOD: METHOD})
            names.WATCHERS.gauge(meter, watching(watchers))
            await flush(provider)
        snapshot = await seen.snapshot()
    assert [each.latency.count for each in snapshot.methods] == [2]
    assert [(each.track, each.watchers) for each in snapshot.tracks] == [("harbour-mile", 7)]


def watching(watchers: int) -> Callable[[], list[Observation]]:
    return lambda: [Observation(watchers, {names.FURLONG_TRACK: "harbour-mile"})]


async def test_statements_tickets_and_cache_have_their_figures(seen: Observing) -> None:
    with measuring(seen.endpoint, service="persist") as provider:
        meter = provider.get_meter("test")
        statement = names.DB_CLIENT_OPERATION_DURATION.histogram(meter)
        statement.record(0.004, {names.DB_OPERATION_NAME: "commit"})
        statement.record(0.004, {names.DB_OPERATION_NAME: "commit", names.ERROR_TYPE: "TimeoutError"})
        tickets = names.TICKETS.counter(meter)
        track = {names.FURLONG_TRACK: "harbour-mile"}
        tickets.add(5, track | {names.FURLONG_VERDICT: "ACCEPTED"})
        tickets.add(2, track | {names.FURLONG_VERDICT: "BETTING_CLOSED"})
        names.STAKES.counter(meter).add(2_500, track)
        requests = names.CACHE_REQUESTS.counter(meter)
        tier = {names.FURLONG_CACHE_NAMESPACE: "rounds", names.FURLONG_CACHE_TIER: "l1"}
        for outcome, times in (("hit", 6), ("stale", 1), ("miss", 3)):
            requests.add(times, tier | {names.FURLONG_CACHE_OUTCOME: outcome})
        await flush(provider)
        tickets.add(1, track | {names.FURLONG_VERDICT: "ACCEPTED"})
        await flush(provider)
        snapshot = await seen.snapshot()
    ((name, latency),) = [(each.statement, each.latency) for each in snapshot.statements]
    assert (name, latency.count, latency.errors) == ("commit", 2, 1)
    assert latency.p50_us == pytest.approx(4_000, rel=0.1)
    (sold,) = snapshot.tracks
    assert (sold.track, sold.tickets, sold.refused, sold.stake_minor) == ("harbour-mile", 6, 2, 2_500)
    (asked,) = snapshot.cache
    assert (asked.namespace, asked.tier, asked.hits, asked.misses) == ("rounds", "l1", 7, 3)


async def test_metrics_that_nothing_here_shows_are_taken_and_not_kept(seen: Observing) -> None:
    with measuring(seen.endpoint) as provider:
        provider.get_meter("test").create_counter("somebody.elses").add(1, {"of": "interest"})
        await flush(provider)
        snapshot = await seen.snapshot()
    assert (snapshot.dropped, len(snapshot.methods), len(snapshot.tracks)) == (0, 0, 0)


async def test_a_trace_is_found_by_its_ticket_with_the_commit_that_worked_for_it(seen: Observing) -> None:
    with recording(seen.endpoint, service="game") as game, recording(seen.endpoint, service="persist") as persist:
        at_game, at_persist = game.get_tracer("test"), persist.get_tracer("test")
        with at_game.start_as_current_span(
            METHOD,
            kind=SpanKind.SERVER,
            attributes={names.RPC_METHOD: METHOD, names.FURLONG_TICKET_IDS: [TICKET]},
        ) as placing:
            placed = placing.get_span_context()
        with (
            at_persist.start_as_current_span("other"),
            at_persist.start_as_current_span("persist.batch", links=[Link(placed)]),
            at_persist.start_as_current_span("sql commit") as commit,
        ):
            commit.set_status(Status(StatusCode.ERROR, "the disk is full"))
        await flush(game)
        await flush(persist)
        told = await seen.trace(TICKET)
        listed = await seen.traces()
    assert told.trace_id == trace.format_trace_id(placed.trace_id)
    assert [(span.service, span.name) for span in told.spans] == [
        ("game", METHOD),
        ("persist", "persist.batch"),
        ("persist", "sql commit"),
    ]
    batch, sql = told.spans[1:]
    assert batch.via_span_id == trace.format_span_id(placed.span_id)
    assert list(batch.linked_trace_ids) == [told.trace_id]
    assert batch.trace_id != told.trace_id
    assert (sql.parent_span_id, sql.error) == (batch.span_id, "the disk is full")
    assert [(each.name, each.spans) for each in listed] == [("other", 3), (METHOD, 1)]


async def test_slow_calls_are_told_the_slowest_first_and_without_streams(seen: Observing) -> None:
    with recording(seen.endpoint, service="game") as provider:
        tracer = provider.get_tracer("test")
        nothing: dict[str, str | bool] = {}
        for name, took_ms, more in (
            ("quick", 1, nothing),
            ("slow", 900, nothing),
            ("watch", 3_600_000, {names.FURLONG_STREAM: True}),
            ("medium", 30, nothing),
        ):
            attributes: dict[str, str | bool] = {names.RPC_METHOD: name, **more}
            span = tracer.start_span(name, kind=SpanKind.SERVER, attributes=attributes, start_time=1_000_000_000)
            span.end(1_000_000_000 + took_ms * 1_000_000)
        await flush(provider)
        slow = (await seen.stub.ListSlowCalls(ListSlowCallsRequest(page_size=2))).calls
    assert [(call.name, call.duration_us) for call in slow] == [("slow", 900_000), ("medium", 30_000)]
    assert (await seen.trace(slow[0].trace_id)).spans[0].name == "slow"
