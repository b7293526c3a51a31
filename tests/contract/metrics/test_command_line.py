"""`furlong top` and `furlong trace` against metrics itself, and what the command line leaves to be looked at."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from furlong.client import connect
from furlong.client.cli.app import app
from furlong.client.errors import CallRefused
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2
from typer.testing import CliRunner, Result

from services.chassis import telemetry_names as names
from services.metrics.ports import Signal
from tests.loopback import Server, wired
from tests.observing import Observing, observing

TICKET = "01890000-0000-7000-8000-000000000001"
TRACE = "0123456789abcdef" * 2
METHOD = "furlong.game.v1.TicketService/PlaceTickets"


@pytest.fixture
async def seen() -> AsyncIterator[Observing]:
    async with observing() as running:
        yield running


async def furlong(target: str, *words: str) -> Result:
    """Run the command line, which has an event loop of its own, beside ours."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["--gateway", target, "--token", "x", *words])


async def place_a_ticket(seen: Observing) -> None:
    request = trace_service_pb2.ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=bytes.fromhex(TRACE),
            span_id=b"s" * 8,
            name=METHOD,
            kind=trace_pb2.Span.SPAN_KIND_SERVER,
            start_time_unix_nano=1_780_000_000_000_000_000,
            end_time_unix_nano=1_780_000_000_004_000_000,
        )
    )
    span.attributes.add(key=names.RPC_METHOD).value.string_value = METHOD
    span.attributes.add(key=names.FURLONG_TICKET_IDS).value.array_value.values.add().string_value = TICKET
    await seen.export(Signal.TRACES, request.SerializeToString())


@pytest.mark.parametrize("asked", [TICKET, TICKET.upper(), TRACE])
async def test_a_trace_is_shown_by_its_ticket_or_its_id(seen: Observing, asked: str) -> None:
    await place_a_ticket(seen)
    shown = await furlong(seen.target, "trace", asked)
    assert shown.exit_code == 0
    assert f"trace {TRACE}  4.00 ms" in shown.output
    assert "game.v1.TicketService/PlaceTickets" in shown.output


async def test_without_an_id_the_latest_traces_are_listed(seen: Observing) -> None:
    assert "no trace is kept" in (await furlong(seen.target, "trace")).output
    await place_a_ticket(seen)
    assert TRACE in (await furlong(seen.target, "trace")).output
    assert json.loads((await furlong(seen.target, "trace", "--json")).output)["traces"][0]["trace_id"] == TRACE


async def test_a_trace_that_is_not_kept_ends_with_what_to_do(seen: Observing) -> None:
    shown = await furlong(seen.target, "trace", TRACE)
    assert shown.exit_code == 2
    assert "TRACE_UNKNOWN" in shown.output
    assert "`furlong trace` lists those there are" in shown.output


async def test_into_a_pipe_the_board_is_printed_once(seen: Observing) -> None:
    await place_a_ticket(seen)
    shown = await furlong(seen.target, "top", "--window", "10")
    assert shown.exit_code == 0
    assert re.search(rf"{METHOD.removeprefix('furlong.')} .* 4.00 ms .* {TRACE}", shown.output)


async def test_the_board_as_json_is_the_gateways_answer(seen: Observing) -> None:
    shown = await furlong(seen.target, "top", "--json")
    assert json.loads(shown.output)["snapshot"]["dropped"] == "0"


async def test_what_a_person_does_by_hand_is_recorded_and_looking_on_is_not() -> None:
    asked: list[str] = []

    class Look(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            metadata = dict(handler_call_details.invocation_metadata or ())
            asked.append(str(metadata.get("traceparent", "")))

    server = Server(register=lambda each: each.add_generic_rpc_handlers((Look(),)))
    await server.start()
    try:
        await furlong(server.target, "rounds")
        await furlong(server.target, "rounds")
        await furlong(server.target, "top")
    finally:
        await server.kill()
    first, second, looking = asked
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)
    assert first[:35] != second[:35]
    assert not looking.endswith("-01")


async def test_a_watch_goes_on_after_a_break(seen: Observing) -> None:
    async with (
        wired(int(seen.target.rpartition(":")[2])) as wire,
        connect(wire.target) as client,
        aclosing(client.metrics.watch(interval_ms=60_000)) as snapshots,
        asyncio.timeout(15),
    ):
        await anext(snapshots)
        await wire.cut()
        await wire.connect()
        await anext(snapshots)
        assert wire.connections == 2


async def test_a_watch_that_asks_for_the_impossible_ends(seen: Observing) -> None:
    async with connect(seen.target) as client, aclosing(client.metrics.watch(interval_ms=1)) as snapshots:
        with pytest.raises(CallRefused, match="interval_ms"):
            await anext(snapshots)
