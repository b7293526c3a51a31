"""How fast the cache answers, from each tier and by the batch, and what an outage of Redis costs its callers.

    python -m benchmarks.cache [--seconds N] [--quick] [--churn-minutes N]

The cache runs as it is deployed, in a process of its own with authentication on, before a real Redis; the load
generator in another. Ours and its limit are measured in turns, several times, and compared pair by pair:

get_ratio          Get of an entry in L1, to a bare grpc.aio echo that answers the same bytes
batch_keys_ratio   keys a second by BatchGet of 100, to one key a call
near_hit_us        a hit of the near cache in the client, its key made of two arguments, 256 bytes
l2_speedup         reads of Redis as the cache does them, to redis-py with one call per get; 50 callers, one process
outage_first_ms    the first miss after Redis turned into a black hole, added to the time of a bare echo
outage_next_ms     the median of the misses after it, added to the same
hit_ratio_gap_pp   see `benchmarks/hit_ratio.py`
churn_memory_ratio what the process has grown by when entries came and went for some minutes, to CACHE_BYTES_MAX
"""

import argparse
import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from furlong.cache.v1 import cache_service_pb2 as pb
from furlong.cache.v1.cache_service_pb2_grpc import CacheServiceStub

from benchmarks import calls, hit_ratio, near_hits
from benchmarks.apart import serve_apart
from benchmarks.calls import Calls, Rate
from benchmarks.churn import churn
from benchmarks.cpu import cpu_s
from benchmarks.limits import echo, redis_reads
from benchmarks.limits.redis_reads import Reads
from benchmarks.report import Figure, Spread, last_line, progress, ratios, table
from benchmarks.scratch import scratch_folder
from deploy.local.keys import KeyRing
from deploy.local.part import Part
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.programs import Addresses, StackSettings, cache_parts
from deploy.local.redis import RedisServer

BENCHMARK = "cache"
NAMESPACE = "reports"
ENTRIES = 1_000
VALUE_BYTES = 256
BATCH_KEYS = 100
GETS_IN_FLIGHT = 64
BATCHES_IN_FLIGHT = 8
READERS = 50
NEAR_ROUNDS = 10
SECONDS_DEFAULT = 5.0
CHURN_MINUTES_DEFAULT = 2.0
MISSES = 200
BACK_TIMEOUT_S = 10.0
POLL_S = 0.05
CALL_TIMEOUT_S = 5.0
GET = "/furlong.cache.v1.CacheService/Get"
BATCH_GET = "/furlong.cache.v1.CacheService/BatchGet"
ECHO = f"/{echo.SERVICE}/{echo.METHOD}"


class AnswersDiffer(RuntimeError):
    """A load met errors, or answers of another size than the entries have: its rate would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long and how often to measure."""

    seconds: float
    warmup_s: float
    rounds: int
    outages: int
    churn_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The cache and its process, its Redis, a bare echo, and the right to call them."""

    target: str
    pid: int
    echo: str
    token: str
    redis: RedisServer


def main() -> None:
    """Measure, print the table and the line of JSON."""
    extent = _extent()
    gap = hit_ratio.measure()
    with scratch_folder() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        redis = RedisServer(folder / "redis")
        redis.start()
        keys = KeyRing(folder / "keys")
        target = f"{LOOPBACK}:{free_port()}"
        addresses = Addresses(
            gateway="", game="", persist="", web="", envoy_admin="", database_url="", cache=target, redis_url=redis.url
        )
        [part] = cache_parts(StackSettings(data_dir=folder), addresses, folder, keys)
        try:
            part.start()
            part.wait_ready()
            token = keys.service_token(subject="benchmark")
            measured = asyncio.run(_measure(target, token, _pid(part), redis, extent))
            part.stop()  # what grows from here on is what the churn leaves behind
            part.start()
            part.wait_ready()
            churned = asyncio.run(_churn(target, token, _pid(part), extent.churn_minutes))
        finally:
            part.stop()
            redis.stop()
    figures = [*gap, *measured, *churned]
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _pid(part: Part) -> int:
    assert part.pid is not None, "it is ready"
    return part.pid


def _extent() -> Extent:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{BENCHMARK}", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=SECONDS_DEFAULT, help="length of one measurement")
    parser.add_argument("--quick", action="store_true", help="a glance: two rounds of one second")
    parser.add_argument("--churn-minutes", type=float, default=CHURN_MINUTES_DEFAULT, help="how long entries churn")
    options = parser.parse_args()
    if options.quick:
        return Extent(seconds=1.0, warmup_s=0.5, rounds=2, outages=2, churn_minutes=0.25)
    return Extent(
        seconds=options.seconds,
        warmup_s=1.0,
        rounds=5,
        outages=7,
        churn_minutes=options.churn_minutes,
    )


async def _measure(target: str, token: str, pid: int, redis: RedisServer, extent: Extent) -> Sequence[Figure]:
    async with serve_apart("benchmarks.limits.echo") as echoing:
        stage = Stage(target=target, pid=pid, echo=echoing.address, token=token, redis=redis)
        async with _channel(target) as channel:
            await _fill(channel, token)
        figures = [*await _gets(stage, extent), *await _near(stage, extent), *await _tiers(stage, extent)]
        return [*figures, *await _outages(stage, extent)]


async def _churn(target: str, token: str, pid: int, minutes: float) -> Sequence[Figure]:
    """How far memory grows while entries come and go in a cache that has had none."""
    progress(f"churn for {minutes:g} minutes")
    async with _channel(target) as channel:
        stats = await CacheServiceStub(channel).GetStats(
            pb.GetStatsRequest(), metadata=_bearer(token), timeout=CALL_TIMEOUT_S
        )
        churned = await churn(channel, token, pid, minutes)
    grown = [each / stats.bytes_max for each in churned.grown_bytes]
    settled = grown[len(grown) // 2 :]
    return [_figure("memory after churn, to CACHE_BYTES_MAX", settled, key="churn_memory_ratio")]


@asynccontextmanager
async def _channel(target: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


async def _fill(channel: grpc.aio.Channel, token: str) -> None:
    """Set every entry; the replica that took it holds it in L1."""
    stub = CacheServiceStub(channel)
    for start in range(0, ENTRIES, BATCH_KEYS):
        items = [pb.Item(key=_key(n), value=_value(n)) for n in range(start, start + BATCH_KEYS)]
        request = pb.BatchSetRequest(namespace=NAMESPACE, items=items)
        await stub.BatchSet(request, metadata=_bearer(token), timeout=CALL_TIMEOUT_S)


async def _gets(stage: Stage, extent: Extent) -> Sequence[Figure]:
    """One key a call, a hundred keys a call, and the echo of an answer."""
    found = pb.Found(outcome=pb.Found.HIT, value=_value(0), version=2**50, age_ms=9_999, tier=pb.Found.L1)
    answer = pb.GetResponse(found=found)
    gets = [pb.GetRequest(namespace=NAMESPACE, key=_key(n)) for n in range(ENTRIES)]
    batches = [
        pb.BatchGetRequest(namespace=NAMESPACE, keys=[_key(n) for n in range(start, start + BATCH_KEYS)])
        for start in range(0, ENTRIES, BATCH_KEYS)
    ]
    one = Calls(
        target=stage.target,
        token=stage.token,
        method=GET,
        requests=tuple(each.SerializeToString().hex() for each in gets),
        calls_in_flight=GETS_IN_FLIGHT,
        warmup_s=extent.warmup_s,
        seconds=extent.seconds,
    )
    loads = {
        "echo": replace(one, target=stage.echo, method=ECHO, requests=(answer.SerializeToString().hex(),)),
        "get": one,
        "batch": replace(
            one,
            method=BATCH_GET,
            requests=tuple(each.SerializeToString().hex() for each in batches),
            calls_in_flight=BATCHES_IN_FLIGHT,
        ),
    }
    keys_per_s: dict[str, list[float]] = {name: [] for name in loads}
    cpu_us: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(extent.rounds):
        progress(f"one key and {BATCH_KEYS} keys a call, {number + 1} of {extent.rounds}")
        for name in _in_turns(list(loads), number):
            size = BATCH_KEYS if name == "batch" else 1
            used_s = cpu_s(stage.pid)
            rate = await _rate(loads[name], least_bytes=size * VALUE_BYTES)
            keys_per_s[name].append(size * rate.per_s)
            # Warming up costs as much a call, and is not among the calls.
            calls_in_all = rate.per_s * (extent.warmup_s + extent.seconds)
            cpu_us[name].append((cpu_s(stage.pid) - used_s) * 1_000_000 / calls_in_all)
            progress(f"  {name}: {keys_per_s[name][-1]:,.0f} keys/s")
    return [
        _figure("Get, in L1", keys_per_s["get"], unit="calls/s"),
        _figure("  limit: bare grpc.aio echo", keys_per_s["echo"], unit="calls/s"),
        _figure("  ratio to the limit", ratios(keys_per_s["get"], keys_per_s["echo"]), key="get_ratio"),
        _figure("  processor time of the cache", cpu_us["get"], unit="us/call"),
        _figure(f"BatchGet of {BATCH_KEYS}, in L1", keys_per_s["batch"], unit="keys/s"),
        _figure("  to one key a call", ratios(keys_per_s["batch"], keys_per_s["get"]), key="batch_keys_ratio"),
        _figure("  processor time of the cache", cpu_us["batch"], unit="us/call"),
    ]


async def _rate(load: Calls, *, least_bytes: int) -> Rate:
    """What came back. Raises `AnswersDiffer`."""
    rate = await calls.run(load)
    if rate.errors or rate.bytes < rate.calls * least_bytes:
        raise AnswersDiffer(f"{load.method}: {rate.calls} answers with {rate.bytes} bytes, errors {dict(rate.errors)}")
    return rate


async def _near(stage: Stage, extent: Extent) -> Sequence[Figure]:
    """Hits of the near cache. A measurement is short, so there are many."""
    progress("hits of the near cache")
    hits_us = await near_hits.measure(
        stage.target, stage.token, NAMESPACE, rounds=NEAR_ROUNDS * extent.rounds, value_bytes=VALUE_BYTES
    )
    return [_figure("hit of the near cache", hits_us, unit="us", key="near_hit_us")]


async def _tiers(stage: Stage, extent: Extent) -> Sequence[Figure]:
    """Reads of Redis by our client and by the plain one."""
    progress("reads of Redis")
    per_s: Mapping[str, Sequence[float]] = await redis_reads.run(
        Reads(redis_url=stage.redis.url, callers=READERS, seconds=extent.seconds, rounds=extent.rounds)
    )
    return [
        _figure(f"reads of Redis, {READERS} callers", per_s["ours"], unit="keys/s"),
        _figure("  peer: redis-py, a call per get", per_s["redis-py"], unit="keys/s"),
        _figure("  ours to the peer", ratios(per_s["ours"], per_s["redis-py"]), key="l2_speedup"),
        _figure(f"  limit: bare MGET of {redis_reads.BATCH_KEYS}", per_s["batches"], unit="keys/s"),
    ]


async def _outages(stage: Stage, extent: Extent) -> Sequence[Figure]:
    """Redis stops answering between one call and the next, and comes back, several times."""
    first_ms: list[float] = []
    next_ms: list[float] = []
    back_ms: list[float] = []
    async with _channel(stage.target) as channel, _channel(stage.echo) as to_echo:
        for number in range(extent.outages):
            progress(f"outage {number + 1} of {extent.outages}")
            bare_ms = statistics.median([await _echo_ms(to_echo) for _ in range(MISSES)])
            await _miss_ms(channel, stage.token, "to connect")
            _send(stage.redis, signal.SIGSTOP)
            try:
                first_ms.append(await _miss_ms(channel, stage.token, f"first {number}") - bare_ms)
                following = [await _miss_ms(channel, stage.token, f"next {number} {n}") for n in range(MISSES)]
            finally:
                _send(stage.redis, signal.SIGCONT)
            next_ms.append(statistics.median(following) - bare_ms)
            back_ms.append(await _back_ms(channel, stage.token))
    return [
        _figure("outage of Redis, first miss, added", first_ms, unit="ms", key="outage_first_ms"),
        _figure("  misses after it, added", next_ms, unit="ms", key="outage_next_ms"),
        _figure("  from its return until it is used", back_ms, unit="ms"),
    ]


async def _echo_ms(channel: grpc.aio.Channel) -> float:
    stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ECHO)
    begun_s = time.perf_counter()
    await stub(b"", timeout=CALL_TIMEOUT_S)
    return (time.perf_counter() - begun_s) * 1_000


async def _miss_ms(channel: grpc.aio.Channel, token: str, key: str) -> float:
    """How long the answer takes that there is nothing under a key."""
    begun_s = time.perf_counter()
    answer = await CacheServiceStub(channel).Get(
        pb.GetRequest(namespace=NAMESPACE, key=key), metadata=_bearer(token), timeout=CALL_TIMEOUT_S
    )
    took_ms = (time.perf_counter() - begun_s) * 1_000
    assert answer.found.outcome == pb.Found.MISS, "nobody has set it"
    return took_ms


async def _back_ms(channel: grpc.aio.Channel, token: str) -> float:
    """How long it takes until the cache uses Redis again. Raises `TimeoutError` when it does not."""
    begun_s = time.perf_counter()
    stub = CacheServiceStub(channel)
    async with asyncio.timeout(BACK_TIMEOUT_S):
        while (await stub.GetStats(pb.GetStatsRequest(), metadata=_bearer(token))).redis != "up":  # noqa: ASYNC110 - it happens elsewhere
            await asyncio.sleep(POLL_S)
    return (time.perf_counter() - begun_s) * 1_000


def _send(redis: RedisServer, what: signal.Signals) -> None:
    assert redis.pid is not None, "Redis runs"
    os.kill(redis.pid, what)


def _key(n: int) -> str:
    return f"benchmark/{n:04}"


def _value(n: int) -> bytes:
    return f"{n:04}".encode() * (VALUE_BYTES // 4)


def _bearer(token: str) -> Sequence[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)


def _in_turns(names: Sequence[str], number: int) -> Sequence[str]:
    """Forward, backward, forward: what drifts during a run falls on all alike."""
    return names if number % 2 == 0 else names[::-1]


def _figure(title: str, values: Sequence[float], *, unit: str = "", key: str = "", note: str = "") -> Figure:
    return Figure(title=title, unit=unit, key=key, note=note, spread=Spread.of(values))


if __name__ == "__main__":
    main()
