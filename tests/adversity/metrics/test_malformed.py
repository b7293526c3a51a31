"""OTLP that breaks its contract is refused with a reason, and leaves nothing behind."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from services.chassis import telemetry_names as names
from services.metrics.ports import Signal
from services.metrics.service.otlp.intake import MESSAGE_BYTES_MAX
from services.metrics.service.otlp.points import BUCKETS_MAX
from services.metrics.service.otlp.values import ITEMS_MAX
from tests.observing import Observing, observing
from tests.served import refused

DELTA = metrics_pb2.AGGREGATION_TEMPORALITY_DELTA


def spans(*changes: dict[str, Any]) -> bytes:
    """A good span, and one for each set of changes."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for change in ({}, *changes):
        good: dict[str, Any] = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "start_time_unix_nano": 1}
        scope.spans.append(trace_pb2.Span(**(good | change)))
    return request.SerializeToString()


def points(*metrics: metrics_pb2.Metric) -> bytes:
    """A good counter, and then the metrics."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.metrics.append(counter(amount=1))
    scope.metrics.extend(metrics)
    return request.SerializeToString()


def counter(*, amount: float, temporality: Any = DELTA) -> metrics_pb2.Metric:
    metric = metrics_pb2.Metric(name=names.TICKETS.name, unit="{ticket}")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = temporality
    point = metric.sum.data_points.add(as_double=amount)
    point.attributes.add(key=names.FURLONG_TRACK).value.string_value = "harbour-mile"
    return metric


def histogram(counts: list[int], bounds: list[float], count: int) -> metrics_pb2.Metric:
    metric = metrics_pb2.Metric(name=names.RPC_SERVER_CALL_DURATION.name, unit="s")
    metric.histogram.aggregation_temporality = DELTA
    metric.histogram.data_points.add(bucket_counts=counts, explicit_bounds=bounds, count=count)
    return metric


def exponential(*, scale: int, count: int, buckets: int = 1) -> metrics_pb2.Metric:
    metric = metrics_pb2.Metric(name=names.RPC_SERVER_CALL_DURATION.name, unit="s")
    metric.exponential_histogram.aggregation_temporality = DELTA
    point = metric.exponential_histogram.data_points.add(scale=scale, count=count)
    point.positive.bucket_counts.extend([1] * buckets)
    return metric


async def assert_nothing_was_kept(seen: Observing) -> None:
    snapshot = await seen.snapshot()
    assert (len(snapshot.tracks), len(snapshot.methods), snapshot.dropped, snapshot.evicted) == (0, 0, 0, 0)
    assert list(await seen.traces()) == []


TRACES, METRICS = Signal.TRACES, Signal.METRICS
SPAN = "resource_spans[0].scope_spans[0].spans[1]"
METRIC = "resource_metrics[0].scope_metrics[0].metrics[1]"


@pytest.mark.parametrize(
    ("signal", "message", "field"),
    [
        (TRACES, spans({"trace_id": b"short"}), f"{SPAN}.trace_id"),
        (TRACES, spans({"trace_id": bytes(16)}), f"{SPAN}.trace_id"),
        (TRACES, spans({"trace_id": b""}), f"{SPAN}.trace_id"),
        (TRACES, spans({"span_id": b"t" * 16}), f"{SPAN}.span_id"),
        (TRACES, spans({"span_id": bytes(8)}), f"{SPAN}.span_id"),
        (TRACES, spans({"parent_span_id": b"x"}), f"{SPAN}.parent_span_id"),
        (TRACES, spans({"start_time_unix_nano": 0}), f"{SPAN}.start_time_unix_nano"),
        (TRACES, spans({"links": [trace_pb2.Span.Link(trace_id=b"x")]}), f"{SPAN}.links[0]"),
        (TRACES, spans(*({"span_id": b"%08d" % n} for n in range(ITEMS_MAX))), "resource_spans"),
        (METRICS, points(counter(amount=-1)), f"{METRIC}.sum.data_points[0]"),
        (METRICS, points(counter(amount=float("nan"))), f"{METRIC}.sum.data_points[0]"),
        (METRICS, points(counter(amount=float("inf"))), f"{METRIC}.sum.data_points[0]"),
        (METRICS, points(counter(amount=1e300)), f"{METRIC}.sum.data_points[0]"),
        (METRICS, points(counter(amount=1, temporality=0)), f"{METRIC}.sum.aggregation_temporality"),
        (METRICS, points(histogram([1], [1.0], 1)), f"{METRIC}.histogram.data_points[0].bucket_counts"),
        (METRICS, points(histogram([1, 1], [1.0], 3)), f"{METRIC}.histogram.data_points[0].bucket_counts"),
        (METRICS, points(histogram([1, 1, 1], [2.0, 1.0], 3)), f"{METRIC}.histogram.data_points[0].explicit_bounds"),
        (METRICS, points(histogram([1, 0], [float("nan")], 1)), f"{METRIC}.histogram.data_points[0].explicit_bounds"),
        (METRICS, points(exponential(scale=21, count=1)), f"{METRIC}.exponential_histogram.data_points[0].scale"),
        (METRICS, points(exponential(scale=3, count=9)), f"{METRIC}.exponential_histogram.data_points[0].count"),
        (
            METRICS,
            points(exponential(scale=3, count=BUCKETS_MAX + 1, buckets=BUCKETS_MAX + 1)),
            f"{METRIC}.exponential_histogram.data_points[0].positive",
        ),
        (METRICS, points(*(counter(amount=1) for _ in range(ITEMS_MAX))), "resource_metrics"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_message_with_one_thing_wrong_is_refused_as_a_whole(signal: Signal, message: bytes, field: str) -> None:
    async with observing() as seen:
        told = await refused(seen.export(signal, message))
        assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
        assert told.fields == [field]
        await assert_nothing_was_kept(seen)


@pytest.mark.parametrize("signal", Signal)
async def test_bytes_that_are_no_otlp_are_refused_with_a_reason(signal: Signal) -> None:
    chance = random.Random(11)
    async with observing() as seen:
        for message in (b"\xff", b"not otlp at all", b"\x0a\xff\xff\xff\xff\x0f", chance.randbytes(4_096)):
            told = await refused(seen.export(signal, message))
            assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
        await assert_nothing_was_kept(seen)


async def test_a_message_that_is_too_long_is_refused() -> None:
    async with observing() as seen:
        told = await refused(seen.export(TRACES, bytes(MESSAGE_BYTES_MAX + 1)))
        assert told.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        await assert_nothing_was_kept(seen)


@pytest.mark.parametrize(
    ("signal", "good"), [(TRACES, spans({"span_id": b"2" * 8})), (METRICS, points(histogram([1, 2], [1.0], 3)))]
)
async def test_damaged_messages_are_taken_or_refused_but_never_a_defect(signal: Signal, good: bytes) -> None:
    chance = random.Random(12)
    async with observing() as seen:
        codes = await asyncio.gather(*(code_of(seen.export(signal, damage(good, chance))) for _ in range(300)))
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}


async def code_of(sending: Any) -> grpc.StatusCode:
    try:
        await sending
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def damage(good: bytes, chance: random.Random) -> bytes:
    hurt: Callable[[bytearray], None] = chance.choice(
        (
            lambda message: message.__setitem__(chance.randrange(len(message)), chance.randrange(256)),
            lambda message: message.__delitem__(chance.randrange(len(message))),
            lambda message: message.insert(chance.randrange(len(message)), chance.randrange(256)),
        )
    )
    message = bytearray(good)
    hurt(message)
    return bytes(message)
