"""OTLP metric points, read into our own. A message with anything wrong in it is refused as a whole.

Summaries are passed over: their percentiles cannot be put together with anybody else's. So are points that say that
there is no value, and counters that may go down but tell only the difference.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from services.metrics.domain.histogram import SCALE_MAX, SCALE_MIN, Explicit, Exponential, Histogram
from services.metrics.domain.point import Count, Distribution, Level, Point, Source, Temporality
from services.metrics.service.otlp.values import ITEMS_MAX, NAME_CHARACTERS_MAX, malformed, named_texts, source_of

BUCKETS_MAX: Final = 1_024
ATTRIBUTES_MAX: Final = 16
"""Attributes of a point; more of them would tell streams apart that we took for one."""
AMOUNT_MAX: Final = 2**53
"""The largest number of a point: what a double still counts in ones."""

_NO_VALUE: Final = metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_TEMPORALITY: Final = {
    metrics_pb2.AGGREGATION_TEMPORALITY_DELTA: Temporality.DELTA,
    metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE: Temporality.CUMULATIVE,
}


def points_of(request: ExportMetricsServiceRequest) -> list[Point]:
    """Read every point of a message. Raises Refusal MALFORMED."""
    points: list[Point] = []
    for n, resource_metrics in enumerate(request.resource_metrics):
        source = source_of(resource_metrics.resource)
        for m, scope_metrics in enumerate(resource_metrics.scope_metrics):
            for i, metric in enumerate(scope_metrics.metrics):
                points += _points(source, metric, f"resource_metrics[{n}].scope_metrics[{m}].metrics[{i}]")
                if len(points) > ITEMS_MAX:
                    raise malformed("resource_metrics", f"hold more than {ITEMS_MAX} points")
    return points


def _points(source: Source, metric: metrics_pb2.Metric, where: str) -> Iterator[Point]:
    match metric.WhichOneof("data"):
        case "gauge":
            yield from _numbers(source, metric, metric.gauge, Level, Temporality.CUMULATIVE, f"{where}.gauge")
        case "sum":
            yield from _sums(source, metric, f"{where}.sum")
        case "histogram":
            yield from _histograms(source, metric, metric.histogram, f"{where}.histogram")
        case "exponential_histogram":
            yield from _histograms(source, metric, metric.exponential_histogram, f"{where}.exponential_histogram")


def _sums(source: Source, metric: metrics_pb2.Metric, where: str) -> Iterator[Point]:
    temporality = _temporality(metric.sum.aggregation_temporality, where)
    if metric.sum.is_monotonic:
        yield from _numbers(source, metric, metric.sum, Count, temporality, where)
    elif temporality is Temporality.CUMULATIVE:
        yield from _numbers(source, metric, metric.sum, Level, temporality, where)


def _numbers(
    source: Source,
    metric: metrics_pb2.Metric,
    data: metrics_pb2.Gauge | metrics_pb2.Sum,
    kind: type[Count] | type[Level],
    temporality: Temporality,
    where: str,
) -> Iterator[Point]:
    for n, point in enumerate(data.data_points):
        if point.flags & _NO_VALUE:
            continue
        value = point.as_double if point.WhichOneof("value") == "as_double" else point.as_int
        low = 0 if kind is Count else -AMOUNT_MAX
        if not (math.isfinite(value) and low <= value <= AMOUNT_MAX):
            raise malformed(f"{where}.data_points[{n}]", f"{value} is not between {low} and {AMOUNT_MAX}")
        yield _point(source, metric, point, temporality, kind(amount=round(value)))


def _histograms(
    source: Source,
    metric: metrics_pb2.Metric,
    data: metrics_pb2.Histogram | metrics_pb2.ExponentialHistogram,
    where: str,
) -> Iterator[Point]:
    temporality = _temporality(data.aggregation_temporality, where)
    for n, point in enumerate(data.data_points):
        assert isinstance(point, metrics_pb2.HistogramDataPoint | metrics_pb2.ExponentialHistogramDataPoint)
        if point.flags & _NO_VALUE:
            continue
        at = f"{where}.data_points[{n}]"
        longest = point.max if point.HasField("max") else None
        if longest is not None and not math.isfinite(longest):
            raise malformed(f"{at}.max", f"{longest} is not a number to work with")
        if point.count > AMOUNT_MAX:
            raise malformed(f"{at}.count", f"{point.count} is not between 0 and {AMOUNT_MAX}")
        histogram = _histogram(point, at)
        yield _point(source, metric, point, temporality, Distribution(histogram=histogram, longest=longest))


def _histogram(
    point: metrics_pb2.HistogramDataPoint | metrics_pb2.ExponentialHistogramDataPoint, where: str
) -> Histogram:
    if isinstance(point, metrics_pb2.HistogramDataPoint):
        return _explicit(point, where)
    return _exponential(point, where)


def _explicit(point: metrics_pb2.HistogramDataPoint, where: str) -> Explicit:
    bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts)
    if not bounds and not counts:  # only the count and the sum were told
        return Explicit(bounds=(), counts=(point.count,))
    if len(counts) != len(bounds) + 1 or len(counts) > BUCKETS_MAX:
        raise malformed(
            f"{where}.bucket_counts", f"are {len(counts)}, with {len(bounds)} bounds (at most {BUCKETS_MAX})"
        )
    if not all(map(math.isfinite, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        raise malformed(f"{where}.explicit_bounds", "do not rise")
    if sum(counts) != point.count:
        raise malformed(f"{where}.bucket_counts", f"add up to {sum(counts)} and not to the count, {point.count}")
    return Explicit(bounds=bounds, counts=counts)


def _exponential(point: metrics_pb2.ExponentialHistogramDataPoint, where: str) -> Exponential:
    if not SCALE_MIN <= point.scale <= SCALE_MAX:
        raise malformed(f"{where}.scale", f"{point.scale} is not between {SCALE_MIN} and {SCALE_MAX}")
    positive, negative = point.positive.bucket_counts, point.negative.bucket_counts
    if len(positive) > BUCKETS_MAX or len(negative) > BUCKETS_MAX:
        raise malformed(f"{where}.positive", f"has more than {BUCKETS_MAX} buckets")
    below = sum(negative)
    if point.zero_count + sum(positive) + below != point.count:
        raise malformed(f"{where}.count", f"{point.count} is not the sum of the buckets")
    return Exponential(
        scale=point.scale,
        zeros=point.zero_count + below,  # nothing lasts less than no time: a clock was set back
        counts={point.positive.offset + n: count for n, count in enumerate(positive) if count},
    )


def _point(
    source: Source,
    metric: metrics_pb2.Metric,
    point: "metrics_pb2.NumberDataPoint | metrics_pb2.HistogramDataPoint | metrics_pb2.ExponentialHistogramDataPoint",
    temporality: Temporality,
    reading: Distribution | Count | Level,
) -> Point:
    return Point(
        source=source,
        metric=metric.name[:NAME_CHARACTERS_MAX],
        unit=metric.unit,
        attributes=tuple(sorted(named_texts(point.attributes[:ATTRIBUTES_MAX]))),
        temporality=temporality,
        started_ns=point.start_time_unix_nano,
        reading=reading,
    )


def _temporality(value: "metrics_pb2.AggregationTemporality.ValueType", where: str) -> Temporality:
    temporality = _TEMPORALITY.get(value)
    if temporality is None:
        raise malformed(f"{where}.aggregation_temporality", "is neither delta nor cumulative")
    return temporality
