"""OTLP metrics as Prometheus' remote write, in bytes: what Prometheus 3 does with OTLP that is brought to it.

Debian's Prometheus is built without its OTLP receiver, so the names, labels and native histograms are made here, by the
rules that OpenTelemetry and Prometheus agreed on: dots become underscores, a unit is added in words, a sum that only
grows ends in `_total`, `service.name` is the `job` and `service.instance.id` the `instance`, and what else a resource
says of itself is in `target_info`. tests/unit/deploy/test_prometheus_names.py compares them with what a real receiver
made.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, Metric

UNITS: Final = {"s": "_seconds", "ms": "_milliseconds", "By": "_bytes"}
TARGET_INFO: Final = "target_info"
SCHEMA_MAX: Final = 8
NS_PER_MS: Final = 1_000_000
VARINT, EIGHT_BYTES, LENGTH = 0, 1, 2
LITERAL_BYTES_MAX: Final = 65_536


def encode(request: ExportMetricsServiceRequest) -> bytes:
    """A remote write request, as it goes over HTTP."""
    return _snappy(b"".join(_field(1, _labels(labels) + value) for labels, value in series(request)))


def series(request: ExportMetricsServiceRequest) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """The labels of each series that a request has something of, and what it has."""
    for resource in request.resource_metrics:
        known = {each.key: _text(each.value) for each in resource.resource.attributes}
        source = {"job": known.pop("service.name", ""), "instance": known.pop("service.instance.id", "")}
        newest_ns = 0
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                name = named(metric.name, metric.unit, grows=metric.sum.is_monotonic, is_gauge=metric.HasField("gauge"))
                for point, value in _points(metric):
                    labels = {_label(each.key): _text(each.value) for each in point.attributes}
                    newest_ns = max(newest_ns, point.time_unix_nano)
                    yield {"__name__": name, **source, **labels}, value
        if newest_ns:
            others = {_label(key): value for key, value in known.items()}
            yield {"__name__": TARGET_INFO, **source, **others}, _field(2, _sample(1.0, newest_ns))


def named(name: str, unit: str, *, grows: bool, is_gauge: bool) -> str:
    """What Prometheus calls a metric."""
    ratio = "_ratio" if unit == "1" and is_gauge else ""
    return _label(name) + UNITS.get(unit, "") + ratio + ("_total" if grows else "")


def _points(metric: Metric) -> Iterator[tuple[Any, bytes]]:
    if metric.HasField("exponential_histogram"):
        for each in metric.exponential_histogram.data_points:
            yield each, _field(4, _native(each))
        return
    for point in (*metric.sum.data_points, *metric.gauge.data_points):
        value = point.as_double if point.HasField("as_double") else float(point.as_int)
        yield point, _field(2, _sample(value, point.time_unix_nano))


def _sample(value: float, time_ns: int) -> bytes:
    return _double(1, value) + _number(2, time_ns // NS_PER_MS)


def _native(point: ExponentialHistogramDataPoint) -> bytes:
    """A native histogram: what is finer than Prometheus keeps it is put together, and a bucket is named by its end."""
    coarser = max(point.scale - SCHEMA_MAX, 0)
    counts: dict[int, int] = {}
    for position, count in enumerate(point.positive.bucket_counts):
        if count:
            index = ((point.positive.offset + position) >> coarser) + 1
            counts[index] = counts.get(index, 0) + count
    return b"".join(
        (
            _number(1, point.count),
            _double(3, point.sum),
            _number(4, _zigzag(point.scale - coarser)),
            _double(5, point.zero_threshold),
            _number(6, point.zero_count),
            *_spans(sorted(counts)),
            _field(
                12, b"".join(_varint(_zigzag(delta)) for delta in _deltas([counts[each] for each in sorted(counts)]))
            ),
            _number(15, point.time_unix_nano // NS_PER_MS),
        )
    )


def _spans(indexes: Sequence[int]) -> Iterator[bytes]:
    """Runs of buckets that follow one another, each with its distance from the end of the one before."""
    end = 0
    for _, run in groupby(enumerate(indexes), lambda each: each[1] - each[0]):
        members = [index for _, index in run]
        yield _field(11, _number(1, _zigzag(members[0] - end)) + _number(2, len(members)))
        end = members[-1] + 1


def _deltas(counts: Iterable[int]) -> Iterator[int]:
    before = 0
    for count in counts:
        yield count - before
        before = count


def _labels(labels: Mapping[str, str]) -> bytes:
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(labels.items())
        if value
    )


def _label(name: str) -> str:
    return name.replace(".", "_")


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    return str(getattr(value, kind)) if kind else ""


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | VARINT) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | EIGHT_BYTES) + struct.pack("<d", value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _snappy(content: bytes) -> bytes:
    """Snappy's block format without compressing anything: its length, then literals of at most 64 KiB."""
    literals = [content[at : at + LITERAL_BYTES_MAX] for at in range(0, len(content), LITERAL_BYTES_MAX)]
    return _varint(len(content)) + b"".join(
        bytes((61 << 2,)) + struct.pack("<H", len(literal) - 1) + literal for literal in literals
    )
