"""Under churn of names and traces the bounds hold, what did not fit is counted, and exporters are told."""

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2

from services.chassis import telemetry_names as names
from services.metrics.domain.traces import SPANS_MAX
from services.metrics.ports import Signal
from tests.observing import Observing, observing

TRACES_BYTES_MAX = 1_048_576


async def send_spans(seen: Observing, ids: list[tuple[int, int]]) -> trace_service_pb2.ExportTraceServiceResponse:
    """Send spans by numbers of trace and span."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for trace, span in ids:
        scope.spans.add(
            trace_id=trace.to_bytes(16, "big"), span_id=span.to_bytes(8, "big"), name="churn", start_time_unix_nano=1
        )
    answer: bytes = await seen.export(Signal.TRACES, request.SerializeToString())
    return trace_service_pb2.ExportTraceServiceResponse.FromString(answer)


async def send_counters(
    seen: Observing, tracks: list[str], *, cumulative: bool = False
) -> metrics_service_pb2.ExportMetricsServiceResponse:
    """Send one ticket for each track."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=names.TICKETS.name)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = (
        metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE if cumulative else metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
    )
    for track in tracks:
        point = metric.sum.data_points.add(as_int=1)
        point.attributes.add(key=names.FURLONG_TRACK).value.string_value = track
        point.attributes.add(key=names.FURLONG_VERDICT).value.string_value = "ACCEPTED"
    answer: bytes = await seen.export(Signal.METRICS, request.SerializeToString())
    return metrics_service_pb2.ExportMetricsServiceResponse.FromString(answer)


async def test_old_traces_make_way_for_new_ones() -> None:
    async with observing(traces_bytes_max=TRACES_BYTES_MAX) as seen:
        for start in range(1, 20_001, 1_000):
            answer = await send_spans(seen, [(n, 1) for n in range(start, start + 1_000)])
            assert answer.partial_success.rejected_spans == 0
        snapshot = await seen.snapshot()
        newest = await seen.traces()
    assert snapshot.dropped == 0
    assert 18_000 < snapshot.evicted < 20_000
    assert [int(each.trace_id, 16) for each in newest] == list(range(20_000, 19_900, -1))


async def test_a_trace_without_an_end_is_cut_and_its_exporter_told() -> None:
    async with observing() as seen:
        answer = await send_spans(seen, [(1, n) for n in range(1, SPANS_MAX + 51)])
        assert answer.partial_success.rejected_spans == 50
        assert "TRACES_BYTES_MAX" in answer.partial_success.error_message
        assert len((await seen.trace(f"{1:032x}")).spans) == SPANS_MAX
        assert (await seen.snapshot()).dropped == 50


async def test_a_flood_of_names_is_dropped_and_the_known_ones_go_on() -> None:
    async with observing(series_max=20) as seen:
        await send_counters(seen, ["harbour-mile"])
        for start in range(0, 3_000, 1_000):
            answer = await send_counters(seen, [f"flood-{n}" for n in range(start, start + 1_000)])
        assert answer.partial_success.rejected_data_points == 1_000
        await send_counters(seen, ["harbour-mile"])
        snapshot = await seen.snapshot()
    assert len(snapshot.tracks) == 20
    assert snapshot.dropped == 3_000 - 19
    assert {each.track: each.tickets for each in snapshot.tracks}["harbour-mile"] == 2


async def test_a_flood_of_cumulative_streams_is_dropped() -> None:
    async with observing(series_max=10) as seen:
        answer = await send_counters(seen, [f"flood-{n}" for n in range(1_000)], cumulative=True)
        assert answer.partial_success.rejected_data_points >= 900
