"""Watchers of WatchRounds in a process of their own, plain grpc.aio that gets bytes.

All of them see the same bytes, so a frame is read once, whoever got it, and a watcher costs little more than its
stream. Run apart it reads a `Watch` and prints a `Seen`.
"""

import asyncio
import itertools
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc
from furlong.game.v1.round_service_pb2 import WatchRoundsResponse

from benchmarks.apart import ROOT, ApartFailed, run_apart
from benchmarks.cpu import cpu_s

SERVICE = "furlong.game.v1.RoundService"
METHOD = "WatchRounds"
CONNECTIONS_MAX = 1_000
"""Up to here every watcher has a connection of its own; more share them."""
OPENING_AT_ONCE = 500
"""gRPC drops a call that a busy server has not looked at for 30 s, so newcomers do not come one by one."""
OPENING_TIMEOUT_S = 300.0
LAST_FRAMES_S = 2.0
"""How long after the measured time its frames are waited for."""


class WatcherEnded(RuntimeError):
    """A stream ended, or began late, though nobody asked it to."""


class OutOfOrder(RuntimeError):
    """A watcher was sent a transition twice, or not the one after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Whom to watch, with how many, and for how long.

    `request` is the encoded request in hex. `seconds` are measured when all watchers have had a frame and `warmup_s`
    are over. `server_pid` is whose processor time and memory are counted, 0 for nobody's. Frames are only counted
    unless `timed`. Who `is_frozen` has small windows, so that a few frames fill what lies between writer and reader.
    """

    target: str
    request: str
    watchers: int
    warmup_s: float
    seconds: float
    server_pid: int = 0
    timed: bool = False
    is_frozen: bool = False
    method: str = METHOD


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the watchers saw in the measured time.

    `latencies_ms` has one entry for each transition and watcher: from the frame's server_time until it was there.
    `missed` counts those that one watcher saw and another did not. `memory_kib` is what the server's resident memory
    grew by since before they came. `frame` is one of the frames in hex.
    """

    connected: int = 0
    seconds: float = 0.0
    frames: int = 0
    cpu_s: float = 0.0
    missed: int = 0
    memory_kib: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    frame: str = ""

    @property
    def frames_per_s(self) -> float:
        """Frames a second of all watchers together."""
        return self.frames / self.seconds

    @property
    def cpu_us_per_frame(self) -> float:
        """Microseconds of the server's processor time that one frame to one watcher cost."""
        return self.cpu_s * 1e6 / self.frames

    @property
    def cpu_ms_per_watcher_minute(self) -> float:
        """Milliseconds of the server's processor time that one watcher cost in a minute."""
        return self.cpu_s * 1_000 / self.connected / (self.seconds / 60)


async def run(watch: Watch) -> Seen:
    """Watch from a process of its own. Raises `ApartFailed`."""
    return Seen(**await run_apart("benchmarks.watchers", asdict(watch)))


@asynccontextmanager
async def frozen(watch: Watch) -> AsyncIterator[None]:
    """Watchers that have come, and are stopped for the length of the block. Raises `ApartFailed`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.watchers"), stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(watch)).encode())
        process.stdin.close()
        if not await process.stdout.readline():
            raise ApartFailed("the watchers that were to be frozen did not come")
        process.send_signal(signal.SIGSTOP)
        yield
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the watchers need to know of a frame."""

    is_transition: bool
    transition_seq: int
    made_at_ms: int


class Deliveries:
    """Who was sent which transition, and how late.

    A transition belongs to the measured time, `from_ms` to `until_ms`, by when its frame was made.
    """

    def __init__(self) -> None:
        self.from_ms = self.until_ms = 0.0
        self.latencies_ms: list[float] = []
        self._latest: dict[int, int] = {}
        self._shown: set[int] = set()
        self._read: dict[bytes, Frame] = {}

    def take(self, watcher: int, frame: bytes, at_ms: float) -> None:
        """Take a frame that a watcher got. Raises `OutOfOrder`."""
        read = self._read.get(frame) or self._read_first(frame)
        latest = self._latest.get(watcher)
        expected = read.transition_seq if latest is None else latest + read.is_transition
        if read.transition_seq != expected:
            raise OutOfOrder(f"watcher {watcher} was sent {read.transition_seq} after {latest}")
        self._latest[watcher] = read.transition_seq
        if read.is_transition and self.from_ms <= read.made_at_ms < self.until_ms:
            self._shown.add(read.transition_seq)
            self.latencies_ms.append(round(max(at_ms - read.made_at_ms, 0.0), 1))

    def missed(self, watchers: int) -> int:
        """How many transitions of the measured time did not get to a watcher, of so many."""
        return len(self._shown) * watchers - len(self.latencies_ms)

    def _read_first(self, frame: bytes) -> Frame:
        message = WatchRoundsResponse.FromString(frame)
        read = self._read[frame] = Frame(
            is_transition=message.kind == WatchRoundsResponse.TRANSITION,
            transition_seq=message.transition_seq,
            made_at_ms=message.server_time.ToMilliseconds(),
        )
        return read


class Crowd:
    """All watchers of one watch."""

    def __init__(self, watch: Watch, deliveries: Deliveries) -> None:
        self._watch = watch
        self._method = f"/{SERVICE}/{watch.method}"
        self._request = bytes.fromhex(watch.request)
        self._deliveries = deliveries
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)
        self._all_in = asyncio.Event()
        self.frame = b""
        self.connected = 0
        self.frames = 0

    async def follow(self, watcher: int, channel: grpc.aio.Channel) -> None:
        """One watcher. It has no end of its own."""
        async with self._opening:
            watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(self._method)
            call = watch(self._request)
            self._take(watcher, await call.read())
            self.connected += 1
            if self.connected == self._watch.watchers:
                self._all_in.set()
        try:
            while True:
                self._take(watcher, await call.read())
        finally:
            call.cancel()

    async def all_in(self) -> None:
        """Wait until every watcher has had a frame."""
        await self._all_in.wait()

    def _take(self, watcher: int, frame: object) -> None:
        if not isinstance(frame, bytes):
            raise WatcherEnded(f"the stream of watcher {watcher} came to an end")
        self.frames += 1
        self.frame = frame
        if self._watch.timed:
            self._deliveries.take(watcher, frame, time.time() * 1_000)


async def _watch(watch: Watch) -> Seen:
    deliveries = Deliveries()
    crowd = Crowd(watch, deliveries)
    memory_kib = _memory_kib(watch)
    options = [("grpc.use_local_subchannel_pool", 1)]  # without it all channels would share one connection
    windows = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1)] if watch.is_frozen else []
    channels = [
        grpc.aio.insecure_channel(watch.target, options=[*options, *windows])
        for _ in range(min(watch.watchers, CONNECTIONS_MAX))
    ]
    watchers = [
        asyncio.create_task(crowd.follow(number, channel))
        for number, channel in zip(range(watch.watchers), itertools.cycle(channels), strict=False)
    ]
    try:
        measuring = asyncio.create_task(_measure(watch, crowd, deliveries, memory_kib))
        await asyncio.wait([measuring, *watchers], return_when=asyncio.FIRST_COMPLETED)
        for ended in filter(asyncio.Task.done, watchers):
            ended.result()
        return await measuring
    finally:
        for task in [*watchers, measuring]:
            task.cancel()
        await asyncio.gather(*watchers, measuring, return_exceptions=True)


async def _measure(watch: Watch, crowd: Crowd, deliveries: Deliveries, memory_kib: int) -> Seen:
    async with asyncio.timeout(OPENING_TIMEOUT_S):
        await crowd.all_in()
    if watch.is_frozen:
        print("all in", flush=True)
    await asyncio.sleep(watch.warmup_s)
    deliveries.from_ms = time.time() * 1_000
    deliveries.until_ms = deliveries.from_ms + watch.seconds * 1_000
    begun_s, frames, used_s = time.perf_counter(), crowd.frames, _cpu_s(watch)
    await asyncio.sleep(watch.seconds)
    seen = Seen(
        connected=crowd.connected,
        seconds=time.perf_counter() - begun_s,
        frames=crowd.frames - frames,
        cpu_s=_cpu_s(watch) - used_s,
        memory_kib=_memory_kib(watch) - memory_kib,
        frame=crowd.frame.hex(),
    )
    if watch.timed:
        await asyncio.sleep(LAST_FRAMES_S)
        seen.latencies_ms = deliveries.latencies_ms
        seen.missed = deliveries.missed(crowd.connected)
    return seen


def _cpu_s(watch: Watch) -> float:
    return cpu_s(watch.server_pid) if watch.server_pid else 0.0


def _memory_kib(watch: Watch) -> int:
    if not watch.server_pid:
        return 0
    lines = Path(f"/proc/{watch.server_pid}/status").read_text().splitlines()
    (resident,) = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(resident)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_watch(Watch(**json.load(sys.stdin)))))))
