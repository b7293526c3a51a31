"""One trace runs from the gateway through game and persist to each SQL statement, and no span of it is left open.

A stack of its own exports everything to a collector in the test. A span is exported when it has ended, so one that was
left open is missed as the parent of its children.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from deploy.local.stack import StackSettings
from tests.e2e import methods
from tests.e2e.collector import Collector, Span, collecting, of_trace
from tests.e2e.doors import Answer, doors
from tests.e2e.people import People
from tests.e2e.private_stack import private_stack
from tests.e2e.racing import SLOW, new_track, open_account, open_round, order, place, win_line
from tests.e2e.waiting import until

EXPORT_S = 20.0
"""Every part exports in batches, some of them every five seconds."""
PLACE = "furlong.game.v1.TicketService/PlaceTickets"
APPEND = "furlong.persist.v1.TicketStoreService/AppendTickets"
SERVICES = ("game", "persist")
CALLERS_SPAN_ID = "00f067aa0ba902b7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A ticket placed over REST, whose trace begins at the gateway, and one over gRPC, whose caller began it."""

    over_rest: Sequence[Span]
    over_grpc: Sequence[Span]
    refused: Sequence[Span]
    logs: Mapping[str, Sequence[Answer]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(play(tmp_path_factory.mktemp("traced") / "data"))


async def play(data_dir: Path) -> Story:
    async with collecting() as collector:
        settings = StackSettings(
            data_dir=data_dir,
            otlp_endpoint=collector.endpoint,
            trace_sample_ratio=1.0,
            extra_env={name: {"LOG_LEVEL": "debug"} for name in SERVICES},  # a call that goes well is told there only
        )
        opening = private_stack(settings)
        own = await asyncio.to_thread(opening.__enter__)
        try:
            people = People(own.stack)
            async with doors(own.gateway) as (rest, grpc_door):
                track = await new_track(own.stack, "traced", SLOW)
                ann = await open_account(grpc_door, people.cashier)
                opened = await open_round(grpc_door, track)
                await place(rest, people.cashier, opened["round_id"], order(ann, win_line(1, 100)))
            callers_trace = secrets.token_hex(16)
            fields = {"round_id": opened["round_id"], "tickets": [order(ann, win_line(2, 100))]}
            await place_in_trace(own.gateway, people.cashier, fields, callers_trace)
            refused_trace = secrets.token_hex(16)
            with pytest.raises(grpc.aio.AioRpcError):
                await place_in_trace(own.gateway, people.cashier, {**fields, "tickets": []}, refused_trace)
            gateways_trace = await until(
                lambda: trace_begun_at_the_gateway(collector, {callers_trace, refused_trace}),
                within_s=EXPORT_S,
                what="the gateway's trace of PlaceTickets arrives",
            )
            # Each of its workers exports by itself, and it does not wait for that when it ends.
            await until(
                lambda: gateway_told(collector, {callers_trace, refused_trace}),
                within_s=EXPORT_S,
                what="the gateway's spans of the callers' traces arrive",
            )
        finally:  # ending the parts makes them export what is left
            await asyncio.to_thread(opening.__exit__, None, None, None)
        return Story(
            over_rest=of_trace(collector.spans, gateways_trace),
            over_grpc=of_trace(collector.spans, callers_trace),
            refused=of_trace(collector.spans, refused_trace),
            logs={name: log_of(data_dir / "logs" / f"{name}.log") for name in SERVICES},
        )


async def place_in_trace(gateway: str, token: str, fields: Answer, trace_id: str) -> None:
    """Place with bare gRPC, as a caller who began the trace and samples it."""
    metadata = (("authorization", f"Bearer {token}"), ("traceparent", f"00-{trace_id}-{CALLERS_SPAN_ID}-01"))
    async with grpc.aio.insecure_channel(gateway) as channel:
        send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(methods.PLACE.full_name)
        await send(ParseDict(fields, methods.PLACE.request()).SerializeToString(), metadata=metadata, timeout=10)


async def trace_begun_at_the_gateway(collector: Collector, others: set[str]) -> str | None:
    """The trace of PlaceTickets that no caller began, once its gateway span has come."""
    for span in collector.spans:
        if span.service == "game" and span.name == PLACE and span.trace_id not in others:
            trace = of_trace(collector.spans, span.trace_id)
            return span.trace_id if any(each.service == "gateway" for each in trace) else None
    return None


async def gateway_told(collector: Collector, traces: set[str]) -> bool:
    """Whether the gateway's spans of these traces have come."""
    return traces <= {span.trace_id for span in collector.spans if span.service == "gateway"}


def log_of(file: Path) -> list[Answer]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def one(spans: Sequence[Span], service: str, kind: str, name: str) -> Span:
    found = [span for span in spans if (span.service, span.kind, span.name) == (service, kind, name)]
    assert len(found) == 1, f"{len(found)} of {service} {kind} {name} in {[(s.service, s.kind, s.name) for s in spans]}"
    return found[0]


def parent(spans: Sequence[Span], span: Span) -> Span:
    return next(each for each in spans if each.span_id == span.parent_id)


@pytest.mark.parametrize("which", ["over_rest", "over_grpc"])
def test_each_span_has_the_right_parent(story: Story, which: str) -> None:
    spans: Sequence[Span] = getattr(story, which)
    placed = one(spans, "game", "SERVER", PLACE)
    sent = one(spans, "game", "CLIENT", APPEND)
    appended = one(spans, "persist", "SERVER", APPEND)
    statements = [span for span in spans if span.service == "persist" and span.kind == "CLIENT"]
    placing = [statement for statement in statements if appended in ancestors(spans, statement)]

    assert parent(spans, placed).service == "gateway"
    assert parent(spans, sent) == placed
    assert parent(spans, appended) == sent
    assert {"sql commit"} < {statement.name for statement in placing}
    for statement in statements:
        assert any(span.kind == "SERVER" and span.service == "persist" for span in ancestors(spans, statement))


def ancestors(spans: Sequence[Span], span: Span) -> list[Span]:
    found: list[Span] = []
    by_id = {each.span_id: each for each in spans}
    while (above := by_id.get(span.parent_id)) is not None:
        found.append(above)
        span = above
    return found


def test_the_gateway_begins_the_trace_of_a_caller_who_has_none(story: Story) -> None:
    roots = [span for span in story.over_rest if not span.parent_id]

    assert [span.service for span in roots] == ["gateway"]


def test_the_gateway_joins_the_trace_of_a_caller_who_has_one(story: Story) -> None:
    known = {span.span_id for span in story.over_grpc}
    tops = [span for span in story.over_grpc if span.parent_id not in known]

    assert [(span.service, span.parent_id) for span in tops] == [("gateway", CALLERS_SPAN_ID)]


@pytest.mark.parametrize("which", ["over_rest", "over_grpc", "refused"])
def test_no_span_is_left_open(story: Story, which: str) -> None:
    spans: Sequence[Span] = getattr(story, which)
    known = {span.span_id for span in spans} | {"", CALLERS_SPAN_ID}

    assert spans
    assert {span.parent_id for span in spans} <= known
    assert len({span.span_id for span in spans}) == len(spans)
    assert all(span.end_ns >= span.start_ns for span in spans)


@pytest.mark.parametrize("which", ["over_rest", "over_grpc"])
def test_the_commit_links_the_call_whose_ticket_it_carried(story: Story, which: str) -> None:
    spans: Sequence[Span] = getattr(story, which)
    appended = one(spans, "persist", "SERVER", APPEND)

    linking = [span for span in spans if (appended.trace_id, appended.span_id) in span.links]

    assert [span.service for span in linking] == ["persist"]


def test_a_refused_call_reaches_no_store_and_is_no_error_of_the_server(story: Story) -> None:
    placed = one(story.refused, "game", "SERVER", PLACE)

    assert {span.service for span in story.refused} == {"gateway", "game"}
    assert not placed.is_error


@pytest.mark.parametrize("service", SERVICES)
def test_logs_carry_the_trace_and_the_span(story: Story, service: str) -> None:
    lines = [line for line in story.logs[service] if line.get("trace_id") == story.over_grpc[0].trace_id]

    assert [line for line in lines if line.get("code") == "OK"]
    assert {line["span_id"] for line in lines} <= {span.span_id for span in story.over_grpc}
