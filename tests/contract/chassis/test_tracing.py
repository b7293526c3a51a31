"""One server span and one duration per call, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from furlong.common.v1.error_pb2 import Reason
from furlong.game.v1 import round_service_pb2 as pb2
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import SpanKind
from opentelemetry.trace import StatusCode as SpanStatus

from services.chassis.refusal import Refusal
from services.chassis.sampling import RootSampler
from tests.served import Served, config, host_rounds, refused, serving

REQUEST = pb2.GetRoundRequest(round_id=1)
NAME = "furlong.game.v1.RoundService/GetRound"
TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331


def traceparent(*, sampled: bool) -> tuple[tuple[str, str], ...]:
    return (("traceparent", f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-{int(sampled):02x}"),)


@dataclass(slots=True, kw_only=True)
class Recording:
    """What a server told of its calls."""

    served: Served
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    async def span(self) -> ReadableSpan:
        """Wait for the one span: it may end a moment after the caller has its answer."""
        async with asyncio.timeout(5):
            while not self.exporter.get_finished_spans():  # noqa: ASYNC110 - the exporter tells of no event
                await asyncio.sleep(0.001)
        (span,) = self.exporter.get_finished_spans()
        return span

    def durations(self) -> Iterator[tuple[str, str, int]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            if metric.name == "rpc.server.call.duration":
                assert metric.unit == "s"
                for point in metric.data.data_points:
                    attributes: Any = point.attributes
                    yield attributes["rpc.method"], attributes["rpc.response.status_code"], point.count  # type: ignore[union-attr] # a histogram's points have a count


@asynccontextmanager
async def record(sampler: Sampler | None = None, *, ratio: float = 1.0, **answers: Any) -> AsyncIterator[Recording]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    async with serving(
        host_rounds(**answers),
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        settings=config(trace_sample_ratio=ratio),
    ) as served:
        yield Recording(served=served, exporter=exporter, reader=reader)
    tracer_provider.shutdown()
    meter_provider.shutdown()


async def answer(_: Any, __: Any) -> Any:
    return pb2.GetRoundResponse()


async def test_a_call_continues_the_trace_of_its_caller() -> None:
    async with record(GetRound=answer) as recording:
        await recording.served.rounds.GetRound(REQUEST, metadata=traceparent(sampled=True))
        span = await recording.span()
        assert (span.name, span.kind) == (NAME, SpanKind.SERVER)
        assert span.context is not None
        assert span.parent is not None
        assert (span.context.trace_id, span.parent.span_id) == (TRACE_ID, SPAN_ID)
        assert dict(span.attributes or {}) == {
            "rpc.system.name": "grpc",
            "rpc.method": NAME,
            "rpc.response.status_code": "OK",
        }
        assert list(recording.durations()) == [(NAME, "OK", 1)]


async def test_a_handler_runs_within_the_span() -> None:
    seen: list[int] = []

    async def look(_: Any, __: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return pb2.GetRoundResponse()

    async with record(GetRound=look) as recording:
        await recording.served.rounds.GetRound(REQUEST)
        context = (await recording.span()).context
        assert context is not None
        assert seen == [context.span_id]


async def test_a_call_that_is_not_sampled_costs_no_span_but_keeps_its_trace() -> None:
    seen: list[trace.SpanContext] = []

    async def look(_: Any, __: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context())
        return pb2.GetRoundResponse()

    async with record(GetRound=look) as recording:
        await recording.served.rounds.GetRound(REQUEST, metadata=traceparent(sampled=False))
        await recording.served.rounds.GetRound(
            REQUEST, metadata=(*traceparent(sampled=False), ("tracestate", "vendor=1"))
        )
        assert recording.exporter.get_finished_spans() == ()
        assert [context.trace_id for context in seen] == [TRACE_ID, TRACE_ID]
        assert not any(context.trace_flags.sampled for context in seen)
        assert list(recording.durations()) == [(NAME, "OK", 2)]


@pytest.mark.parametrize(
    "parent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-00", "00-" + "z" * 32 + "-" + "1" * 16 + "-00"]
)
async def test_a_parent_that_is_no_parent_begins_a_new_trace(parent: str) -> None:
    async with record(GetRound=answer) as recording:
        await recording.served.rounds.GetRound(REQUEST, metadata=(("traceparent", parent),))
        span = await recording.span()
        assert span.parent is None


@pytest.mark.parametrize(("sampler", "ratio"), [(ParentBased(ALWAYS_OFF), 1.0), (None, 0.0)])
async def test_a_call_that_nobody_records_still_has_a_trace_id(sampler: Sampler | None, ratio: float) -> None:
    seen: list[trace.SpanContext] = []

    async def look(_: Any, __: Any) -> Any:
        span = trace.get_current_span()
        seen.extend(span.get_span_context() for _ in range(2))
        assert f"{seen[0].trace_id:032x}" in repr(span)
        return pb2.GetRoundResponse()

    async with record(sampler, ratio=ratio, GetRound=look) as recording:
        await recording.served.rounds.GetRound(REQUEST)
        assert seen[0].is_valid
        assert seen[0] == seen[1]
        assert recording.exporter.get_finished_spans() == ()


async def test_a_root_that_the_server_decided_to_record_is_not_sampled_a_second_time() -> None:
    async with record(ParentBased(RootSampler(0)), ratio=1.0, GetRound=answer) as recording:
        await recording.served.rounds.GetRound(REQUEST)
        assert (await recording.span()).parent is None


async def test_a_caller_cannot_have_itself_recorded_by_a_parent_that_is_none() -> None:
    async with record(ParentBased(RootSampler(0)), ratio=1.0, GetRound=answer) as recording:
        await recording.served.rounds.GetRound(REQUEST, metadata=(("traceparent", "nonsense"),))
        assert recording.exporter.get_finished_spans() == ()


async def fail(_: Any, __: Any) -> Any:
    raise RuntimeError("broken")


async def refuse(_: Any, __: Any) -> Any:
    raise Refusal(Reason.ROUND_UNKNOWN, "no such round")


async def linger(_: Any, __: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("handler", "code", "reason", "status"),
    [
        (refuse, "NOT_FOUND", "ROUND_UNKNOWN", SpanStatus.UNSET),
        (fail, "INTERNAL", None, SpanStatus.ERROR),
        (linger, "DEADLINE_EXCEEDED", None, SpanStatus.ERROR),
    ],
)
async def test_a_call_that_fails_ends_its_span_with_the_status(
    handler: Any, code: str, reason: str | None, status: SpanStatus
) -> None:
    async with record(GetRound=handler) as recording:
        await refused(recording.served.rounds.GetRound(REQUEST))
        span = await recording.span()
        assert span.attributes is not None
        assert (span.attributes["rpc.response.status_code"], span.attributes["error.type"]) == (code, code)
        assert span.attributes.get("furlong.reason") == reason
        assert span.status.status_code is status
        assert [event.name for event in span.events] == (["exception"] if code == "INTERNAL" else [])
        assert list(recording.durations()) == [(NAME, code, 1)]


async def test_a_call_whose_caller_left_ends_its_span() -> None:
    began = asyncio.Event()

    async def begin(_: Any, __: Any) -> Any:
        began.set()
        await asyncio.Event().wait()

    async with record(GetRound=begin) as recording:
        call = recording.served.rounds.GetRound(REQUEST)
        sent = asyncio.ensure_future(call)
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sent
        span = await recording.span()
        assert span.attributes is not None
        assert span.attributes["rpc.response.status_code"] == "CANCELLED"


async def test_a_stream_has_one_span_for_its_whole_life() -> None:
    seen = asyncio.Event()

    async def watch(_: Any, __: Any) -> Any:
        yield pb2.WatchRoundsResponse(transition_seq=1)
        await seen.wait()

    async with record(WatchRounds=watch) as recording:
        async for _ in recording.served.rounds.WatchRounds(pb2.WatchRoundsRequest()):
            assert recording.exporter.get_finished_spans() == ()
            seen.set()
        assert (await recording.span()).name == "furlong.game.v1.RoundService/WatchRounds"


async def test_calls_in_progress_can_be_seen_by_class() -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def hold(_: Any, __: Any) -> Any:
        began.set()
        await release.wait()
        return pb2.GetRoundResponse()

    async with record(GetRound=hold) as recording:
        call = asyncio.ensure_future(recording.served.rounds.GetRound(REQUEST))
        await began.wait()
        data = recording.reader.get_metrics_data()
        assert data is not None
        points: list[Any] = [
            point
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
            if metric.name == "furlong.admission.in_progress"
            for point in metric.data.data_points
        ]
        seen = {point.attributes["furlong.admission"]: point.value for point in points}
        assert seen == {
            "READ": 1,
            "WRITE": 0,
            "STREAM": 0,
            "RESERVED": 0,
        }
        release.set()
        await call
