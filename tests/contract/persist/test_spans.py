"""One trace from a call to its statements; a batch hangs below one caller and links to all of them."""

import asyncio

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.persist import engine
from services.persist.adapters.postgres import database
from tests.persisting import World, order


class Traced:
    """What was recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    traced = Traced()
    for module in (engine, database):
        monkeypatch.setattr(module, "_tracer", traced.provider.get_tracer("tests"))
    return traced


def trace_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


async def test_a_batch_links_every_caller_and_its_statements_are_below_it(world: World, traced: Traced) -> None:
    """The callers are made here: the stages of the server are tested with the server."""
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    assert not traced.spans("sql commit")
    tracer = traced.provider.get_tracer("callers")
    store = engine.TicketWriter.submit

    async def from_a_caller(*arguments: object) -> object:
        with tracer.start_as_current_span("caller"):
            return await store(*arguments)  # type: ignore[arg-type] # passed on as they came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.TicketWriter, "submit", from_a_caller)
        await asyncio.gather(*(world.place(round_id, order(player, 1)) for _ in range(5)))
    batches = traced.spans("persist.batch")
    callers = traced.spans("caller")
    assert len(callers) == 5
    linked = {link.context.span_id for batch in batches for link in batch.links}
    assert linked == {caller.get_span_context().span_id for caller in callers}  # type: ignore[union-attr] # ended
    for name in ("gate", "lock_payers", "read_round_and_keys", "write", "commit"):
        statements = traced.spans(f"sql {name}")
        assert len(statements) == len(batches)
        assert {trace_id(statement) for statement in statements} == {trace_id(batch) for batch in batches}
    assert {trace_id(batch) for batch in batches} <= {trace_id(caller) for caller in callers}


async def test_calls_that_nobody_traces_leave_no_span(world: World, traced: Traced) -> None:
    player = await world.account(1_000)
    round_id = (await world.open()).round.round_id
    await world.place(round_id, order(player, 1))
    assert traced.spans("persist.batch") == []
