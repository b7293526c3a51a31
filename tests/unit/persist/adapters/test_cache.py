"""The adapter to the cache: what it sends, what it does not, and what it counts."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

import grpc
import pytest
from furlong.cache.v1 import cache_service_pb2 as pb
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from services.chassis.freshness import Freshness
from services.persist import telemetry_names as names
from services.persist.adapters.cache import (
    DEADLINE_S,
    FAILURES_MAX,
    FORGET_DEADLINE_S,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    ServiceCache,
)
from services.persist.domain.shelf import ROUND_LISTS, ROUNDS, ROUNDS_TTL_MS, TRACKS, TRACKS_TTL_MS
from services.persist.ports import Recalled

DATABASE = "7345.16384"
FORM = "0f1e2d3c"


class Methods:
    """Stands in for the generated stub: notes the requests, answers or fails."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.timeouts_s: list[float] = []
        self.found = pb.Found(outcome=pb.Found.MISS)
        self.fails_with: grpc.StatusCode | None = None
        self.defects: list[Exception] = []

    def __getattr__(self, method: str) -> Any:
        async def call(request: Any, *, timeout: float) -> Any:
            self.requests.append(request)
            self.timeouts_s.append(timeout)
            if self.defects:
                raise self.defects.pop()
            if self.fails_with is not None:
                raise grpc.aio.AioRpcError(self.fails_with, grpc.aio.Metadata(), grpc.aio.Metadata(), "as told")
            return pb.GetResponse(found=self.found) if method == "Get" else getattr(pb, f"{method}Response")()

        return call


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Methods:
    methods = Methods()
    monkeypatch.setattr("services.persist.adapters.cache.CacheServiceStub", lambda _: methods)
    return methods


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
async def cache(methods: Methods, reader: InMemoryMetricReader) -> AsyncIterator[ServiceCache]:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        meters = MeterProvider([reader])
        cache = ServiceCache(channel, database=DATABASE, form=FORM, meter_provider=meters)
        yield cache
        await cache.close()
        meters.shutdown()


async def wire_of(recalling: Awaitable[Recalled | None]) -> bytes | None:
    recalled = await recalling
    return None if recalled is None else recalled.wire


async def test_keys_begin_with_database_and_form_and_calls_have_little_time(
    cache: ServiceCache, methods: Methods
) -> None:
    await cache.recall(ROUNDS, "17")
    await cache.keep(ROUNDS, "17", b"wire", 3)
    await cache.keep(TRACKS, "first/100", b"wire", 3)
    await cache.drop(TRACKS, "first/100")
    await cache.forget(TRACKS)
    over = pb.Item(key=f"{DATABASE}/{FORM}/17", value=b"wire", ttl_ms=ROUNDS_TTL_MS, tags=[DATABASE], load_ms=3)
    first = pb.Item(key=f"{DATABASE}/{FORM}/first/100", value=b"wire", ttl_ms=TRACKS_TTL_MS, tags=[DATABASE], load_ms=3)
    assert methods.requests == [
        pb.GetRequest(namespace="rounds", key=f"{DATABASE}/{FORM}/17"),
        pb.SetRequest(namespace="rounds", item=over),
        pb.SetRequest(namespace="tracks", item=first),
        pb.DeleteRequest(namespace="tracks", key=f"{DATABASE}/{FORM}/first/100"),
        pb.InvalidateRequest(namespace="tracks", tag=DATABASE),
    ]
    assert methods.timeouts_s == [DEADLINE_S] * 4 + [FORGET_DEADLINE_S]


async def test_a_hit_gives_the_bytes_even_when_there_are_none(cache: ServiceCache, methods: Methods) -> None:
    for value in (b"wire", b""):
        methods.found = pb.Found(outcome=pb.Found.HIT, value=value)
        assert await wire_of(cache.recall(ROUNDS, "17")) == value


async def test_a_hit_tells_where_it_lay_and_for_how_long(cache: ServiceCache, methods: Methods) -> None:
    methods.found = pb.Found(outcome=pb.Found.HIT, value=b"wire", tier=pb.Found.L2, age_ms=3_999)
    assert await cache.recall(ROUNDS, "17") == Recalled(b"wire", Freshness("L2", 3))


@pytest.mark.parametrize("outcome", [pb.Found.MISS, pb.Found.STALE, pb.Found.OMITTED, pb.Found.OUTCOME_UNSPECIFIED])
async def test_anything_but_a_hit_is_nothing(cache: ServiceCache, methods: Methods, outcome: Any) -> None:
    methods.found = pb.Found(outcome=outcome, value=b"old")
    assert await cache.recall(ROUNDS, "17") is None


async def test_what_the_cache_would_refuse_is_not_sent(cache: ServiceCache, methods: Methods) -> None:
    await cache.keep(ROUND_LISTS, "1", b"x" * (VALUE_BYTES_MAX + 1), 3)
    too_long = "x" * KEY_BYTES_MAX
    assert await cache.recall(TRACKS, too_long) is None
    await cache.keep(TRACKS, too_long, b"wire", 3)
    await cache.drop(TRACKS, too_long)
    assert methods.requests == []


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, FAILURES_MAX),
        (grpc.StatusCode.UNAVAILABLE, FAILURES_MAX),
        (grpc.StatusCode.INTERNAL, FAILURES_MAX),
        (grpc.StatusCode.PERMISSION_DENIED, 10),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 10),
    ],
)
async def test_a_cache_that_fails_is_left_alone_and_one_that_refuses_is_not(
    cache: ServiceCache, methods: Methods, code: grpc.StatusCode, asked: int
) -> None:
    methods.fails_with = code
    for _ in range(10):
        assert await cache.recall(ROUNDS, "17") is None
    assert len(methods.requests) == asked


async def test_a_refusal_is_told_when_it_begins_and_when_it_is_another_or_begins_again(
    cache: ServiceCache, methods: Methods, caplog: pytest.LogCaptureFixture
) -> None:
    denied, full = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED
    for code in (denied, denied, full, full, None, full):
        methods.fails_with = code
        await cache.recall(ROUNDS, "17")

    told = [record.getMessage() for record in caplog.records]
    assert [message.split(":")[0] for message in told] == ["the cache refuses what persist asks"] * 3
    assert ["DENIED" in message for message in told] == [True, False, False]


@pytest.mark.parametrize(
    "defects", [[], [RuntimeError("a defect"), RuntimeError("another")]], ids=["", "after defects"]
)
async def test_it_is_asked_again_once_the_probe_was_answered(
    cache: ServiceCache, methods: Methods, monkeypatch: pytest.MonkeyPatch, defects: list[Exception]
) -> None:
    monkeypatch.setattr("services.persist.adapters.cache.PROBE_S", 0.0)
    monkeypatch.setattr("services.persist.adapters.cache.GRACE_S", 0.0)
    methods.fails_with = grpc.StatusCode.UNAVAILABLE
    for _ in range(FAILURES_MAX):
        await cache.recall(ROUNDS, "17")
    methods.fails_with, methods.defects = None, list(defects)
    prober = cache._prober
    assert prober is not None
    await prober
    methods.found = pb.Found(outcome=pb.Found.HIT, value=b"wire")
    assert await wire_of(cache.recall(ROUNDS, "17")) == b"wire"
    methods.fails_with = grpc.StatusCode.UNAVAILABLE
    for _ in range(FAILURES_MAX):
        await cache.recall(ROUNDS, "17")
    assert cache._prober is not prober


async def test_a_cache_that_is_back_is_not_asked_while_others_may_owe_it(
    cache: ServiceCache, methods: Methods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.persist.adapters.cache.PROBE_S", 0.0)
    methods.fails_with = grpc.StatusCode.UNAVAILABLE
    for _ in range(FAILURES_MAX):
        await cache.recall(ROUNDS, "17")
    methods.fails_with = None
    assert cache._prober is not None
    await cache._prober
    methods.found = pb.Found(outcome=pb.Found.HIT, value=b"old")
    asked = len(methods.requests)
    assert await cache.recall(ROUNDS, "17") is None
    assert len(methods.requests) == asked


@pytest.mark.parametrize("what", ["forget", "drop"])
async def test_what_could_not_be_forgotten_is_owed_and_not_asked_for_until_it_is_paid(
    cache: ServiceCache, methods: Methods, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("services.persist.adapters.cache.PROBE_S", 0.0)
    methods.fails_with = grpc.StatusCode.DEADLINE_EXCEEDED
    await (cache.forget(TRACKS) if what == "forget" else cache.drop(TRACKS, "first/100"))
    methods.fails_with = None
    methods.found = pb.Found(outcome=pb.Found.HIT, value=b"old")
    assert await cache.recall(TRACKS, "first/100") is None
    assert await wire_of(cache.recall(ROUNDS, "17")) == b"old", "nothing is owed there"
    assert cache._prober is not None
    await cache._prober
    assert methods.requests[-1] == pb.InvalidateRequest(namespace="tracks", tag=DATABASE)
    assert await wire_of(cache.recall(TRACKS, "first/100")) == b"old"


async def test_lookups_are_counted_by_what_they_came_to(
    cache: ServiceCache, methods: Methods, reader: InMemoryMetricReader
) -> None:
    await cache.recall(ROUNDS, "17")
    methods.found = pb.Found(outcome=pb.Found.HIT)
    await cache.recall(ROUNDS, "17")
    await cache.recall(TRACKS, "first/100")
    methods.fails_with = grpc.StatusCode.UNAVAILABLE
    for _ in range(FAILURES_MAX + 2):
        await cache.recall(TRACKS, "first/100")
    assert sorted(counted(reader)) == [
        ("rounds", "hit", 1),
        ("rounds", "miss", 1),
        ("tracks", "hit", 1),
        ("tracks", "none", FAILURES_MAX + 2),
    ]


def counted(reader: InMemoryMetricReader) -> Sequence[tuple[str, str, int]]:
    data: Any = reader.get_metrics_data()
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == names.CACHE_LOOKUPS.name
    return [(*map(str, point.attributes.values()), point.value) for point in metric.data.data_points]


def test_no_telemetry_name_stands_twice_and_each_has_a_meaning() -> None:
    registered = [each.name for each in (*names.ATTRIBUTES, *names.METRICS)]
    assert len(registered) == len(set(registered))
    assert all(each.brief for each in (*names.ATTRIBUTES, *names.METRICS))
