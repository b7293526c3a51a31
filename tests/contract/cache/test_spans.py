"""What a caller who is traced sees of Redis: one span a command, shared by all whom it served."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from services.cache.adapters.redis import client, spans
from services.cache.adapters.redis.client import RedisClient
from services.cache.adapters.redis.store import RedisStore
from services.cache.adapters.redis.topics import RedisTopics
from services.cache.domain.change import Change, Scope
from services.cache.domain.entry import Draft, Key


class Traced:
    """What was recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("tests")

    def spans(self, beginning: str) -> Sequence[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name.startswith(beginning)]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    traced = Traced()
    monkeypatch.setattr(spans, "_tracer", traced.tracer)
    monkeypatch.setattr(client, "CALL_S", 5.0)
    return traced


@pytest.fixture
async def redis(redis_url: str, traced: Traced) -> AsyncIterator[RedisClient]:
    connected = RedisClient(redis_url)
    yield connected
    await connected.close()


async def test_every_kind_of_call_is_a_span_below_its_caller(redis: RedisClient, traced: Traced) -> None:
    store, topics = RedisStore(redis), RedisTopics(redis)
    with traced.tracer.start_as_current_span("caller") as caller:
        await store.write("tracks", [Draft("key", b"", (), 1, 2, 3)], 0)
        await store.read([Key("tracks", "key")])
        await store.forget(Change("tracks", Scope.NAMESPACE), 0)
        await topics.publish("t", b"", "", 0)
    recorded = traced.spans("redis ")
    assert [span.name for span in recorded] == ["redis set", "redis MGET", "redis invalidate", "redis publish"]
    for span in recorded:
        assert span.parent is not None
        assert span.parent.span_id == caller.get_span_context().span_id
        assert span.kind is SpanKind.CLIENT
        assert (span.attributes or {})["db.system.name"] == "redis"


async def test_a_command_that_callers_share_is_linked_to_each_of_them(redis: RedisClient, traced: Traced) -> None:
    store = RedisStore(redis)

    async def ask(n: int) -> int:
        with traced.tracer.start_as_current_span("caller") as caller:
            await store.read([Key("tracks", f"{n}")])
        return caller.get_span_context().span_id

    callers = await asyncio.gather(*(ask(n) for n in range(5)))
    (span,) = traced.spans("redis ")
    assert {link.context.span_id for link in span.links} == set(callers)
    assert (span.attributes or {})["db.operation.batch.size"] == 5


async def test_a_call_that_nobody_traces_leaves_no_span(redis: RedisClient, traced: Traced) -> None:
    await RedisStore(redis).read([Key("tracks", "key")])
    assert traced.spans("redis ") == []
