"""What a watcher costs, and how soon it sees what happens.

    python -m benchmarks.watch [--watchers N] [--quick]

Watchers are plain grpc.aio streams in their own process on the same machine, each with a connection of its own up to
1,000, straight to game's public gRPC. Everything is measured in turns, several times; other work on the machine shows,
so prefer the figures of processor time to those of time where it is not quiet.

fanout_ratio     frames/s through WatchRounds, all watchers asking for a TICK each 100 ms, which is more than one game
                 can send, to bare grpc.aio streams that write one such frame over and over: a server and a client
                 process each. Left out where our frames came as often as asked: then nothing was at its limit.
fanout_paced_ratio  the same to bare streams that write one frame each 100 ms, as a fan-out does; the table has the
                 processor time of a frame in each server beside them
delivery_p99_ms  from a transition's frame being made, which is after it is durable, until a watcher has it: all
                 watchers, all phases of whole rounds
frozen_p99_ratio the same with a fifth as many more watchers beside them whose process is stopped, to it
memory_kib       what game's resident memory grew by for a watcher
watchers         how many were connected
cpu_vs_ticking   processor time of game's process per watcher-minute, default timetable, default totals, a ticket a
                 second, leading the track included, to that of a 500 ms JSON WebSocket broadcaster in Node's ws that
                 makes the string anew for each client (benchmarks/peers/ticking)
cpu_vs_ticking_once  the same to that broadcaster with the string made once a tick

Every watcher sees every transition once and in order: where one does not, the run ends and gives no figures.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from furlong.client import DeadlineEnded, Furlong, OutcomeUnknown, connect, uuid7
from furlong.common.v1.round_pb2 import Round, Timetable
from furlong.common.v1.ticket_pb2 import Line, TicketOrder
from furlong.game.v1.round_service_pb2 import WatchRoundsRequest, WatchRoundsResponse
from google.protobuf.json_format import MessageToJson

from benchmarks import watchers
from benchmarks.apart import serve_apart
from benchmarks.cpu import cpu_s
from benchmarks.limits.streams import PACED_METHOD
from benchmarks.peers import listeners, ticking_server
from benchmarks.peers.listeners import Listen
from benchmarks.peers.ticking_server import PeerMissing
from benchmarks.report import Figure, Spread, last_line, p99, progress, ratios, table
from benchmarks.scratch import scratch_folder
from benchmarks.stage import open_accounts, open_track
from benchmarks.watchers import Seen, Watch
from deploy.local.programs import StackSettings
from deploy.local.stack import LocalStack

BENCHMARK = "watch"
WATCHERS_DEFAULT = 5_000
WATCHERS_QUICK = 50
FROZEN_SHARE = 0.2
"""So many more, to those who read, are frozen when they are measured again."""
FANOUT_WATCHERS = 2_000
"""Fewer watchers' ticks would not keep a game busy; more would tell nothing new."""
TICK_INTERVAL_MS = 100
HELD_BACK_FROM = 0.95
"""Whoever got so much of the frames asked for was held back by the asking."""
LIVE_TRACK = "benchmark-watch"
LIVE_TIMETABLE = Timetable(betting_window_ms=30_000, lock_ms=1_000, race_ms=15_000, finish_ms=6_000)
"""That of a track whose maker names none."""
FANOUT_TRACK = "benchmark-fanout"
LONG_TIMETABLE = Timetable(betting_window_ms=86_400_000, lock_ms=1_000, race_ms=1_000, finish_ms=1_000)
QUICK_TIMETABLE = Timetable(betting_window_ms=2_000, lock_ms=500, race_ms=1_000, finish_ms=500)
FOR_EVER_S = 86_400.0
STAKE_MINOR = 100
SALE_INTERVAL_S = 1.0


class TransitionMissed(RuntimeError):
    """A watcher did not see a transition that another one saw, or nobody saw any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many watch, for how long and how often. `live_s` is a whole round of `timetable`."""

    watchers: int
    fanout_watchers: int
    timetable: Timetable
    live_s: float
    peer_s: float
    fanout_s: float
    warmup_s: float
    rounds: int


def main() -> None:
    """Measure, print the table and the line of JSON."""
    extent = _extent()
    with scratch_folder() as folder:
        stack = LocalStack(StackSettings(data_dir=Path(folder) / "data"), say=progress)
        try:
            stack.start()
            figures = asyncio.run(_measure(stack, Path(folder), extent))
        finally:
            stack.stop()
    print(table(BENCHMARK, figures))
    print(last_line(BENCHMARK, figures))


def _extent() -> Extent:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{BENCHMARK}", description="Measure the live watch.")
    parser.add_argument("--watchers", type=int, help=f"how many watch; {WATCHERS_DEFAULT}, or {WATCHERS_QUICK} quick")
    parser.add_argument("--quick", action="store_true", help="a glance: one measurement of few watchers")
    options = parser.parse_args()
    if options.watchers is not None and options.watchers < 1:
        parser.error("--watchers must be at least 1")
    if options.quick:
        wanted = options.watchers or WATCHERS_QUICK
        return Extent(
            watchers=wanted,
            fanout_watchers=min(wanted, FANOUT_WATCHERS),
            timetable=QUICK_TIMETABLE,
            live_s=_round_s(QUICK_TIMETABLE),
            peer_s=_round_s(QUICK_TIMETABLE),
            fanout_s=2.0,
            warmup_s=0.5,
            rounds=1,
        )
    wanted = options.watchers or WATCHERS_DEFAULT
    return Extent(
        watchers=wanted,
        fanout_watchers=FANOUT_WATCHERS,
        timetable=LIVE_TIMETABLE,
        live_s=_round_s(LIVE_TIMETABLE),
        peer_s=20.0,
        fanout_s=8.0,
        warmup_s=3.0,
        rounds=2,
    )


async def _measure(stack: LocalStack, folder: Path, extent: Extent) -> list[Figure]:
    token = stack.token(roles=["OPERATOR", "CASHIER"], accounts=["*"])
    game_pid = stack.part("game").pid
    assert game_pid is not None, "a stack that has started has a game"
    async with connect(stack.addresses.game, token=token) as furlong:
        progress("opening two tracks and an account")
        (account_id,) = await open_accounts(furlong, 1)
        await open_track(furlong, LIVE_TRACK, extent.timetable)
        await open_track(furlong, FANOUT_TRACK, LONG_TIMETABLE)
        live = Watch(
            target=stack.addresses.game,
            request=_request(WatchRoundsRequest(track=LIVE_TRACK)),
            watchers=extent.watchers,
            warmup_s=extent.warmup_s,
            seconds=extent.live_s,
            server_pid=game_pid,
            timed=True,
        )
        fanout = replace(
            live,
            request=_request(WatchRoundsRequest(track=FANOUT_TRACK, tick_interval_ms=TICK_INTERVAL_MS)),
            watchers=extent.fanout_watchers,
            seconds=extent.fanout_s,
            timed=False,
        )
        async with _sales(furlong, account_id):
            figures = await _live(live, folder, extent)
        return [*figures, *await _fanout(fanout, extent)]


async def _live(live: Watch, folder: Path, extent: Extent) -> list[Figure]:
    """Watch whole rounds with the default totals, and beside it the ticking peer."""
    peer = Peer(folder, extent.peer_s)
    held = replace(
        live,
        request=_request(WatchRoundsRequest(track=LIVE_TRACK, tick_interval_ms=TICK_INTERVAL_MS)),
        watchers=max(round(live.watchers * FROZEN_SHARE), 1),
        seconds=FOR_EVER_S,
        server_pid=0,
        timed=False,
        is_frozen=True,
    )
    progress("nobody watches")
    unwatched_ms = await _unwatched_cpu_ms(live)
    seen: list[Seen] = []
    beside: list[Seen] = []
    for number in range(extent.rounds):
        progress(f"{live.watchers} watchers, {number + 1} of {extent.rounds}")
        seen.append(await watchers.run(live))
        check_deliveries(seen[-1])
        progress(f"  {len(seen[-1].latencies_ms)} deliveries, p99 {p99(seen[-1].latencies_ms):.1f} ms")
        progress(f"the same beside {held.watchers} that are frozen")
        async with watchers.frozen(held):
            beside.append(await watchers.run(live))
        check_deliveries(beside[-1])
        progress(f"  p99 {p99(beside[-1].latencies_ms):.1f} ms")
        await peer.measure(live, seen[-1].frame)
    ours_ms = [each.cpu_ms_per_watcher_minute for each in seen]
    p99s_ms = [p99(each.latencies_ms) for each in seen]
    beside_ms = [p99(each.latencies_ms) for each in beside]
    return [
        _figure("watchers", [each.connected for each in seen], key="watchers"),
        _figure("p99 of a delivery", p99s_ms, unit="ms", key="delivery_p99_ms"),
        _figure(f"  beside {held.watchers} that are frozen", beside_ms, unit="ms"),
        _figure("  it to the first", ratios(beside_ms, p99s_ms), key="frozen_p99_ratio"),
        # Later rounds find the memory that the first one left.
        _figure("memory of a watcher", [seen[0].memory_kib / live.watchers], unit="KiB", key="memory_kib"),
        _figure("processor time per watcher-minute", ours_ms, unit="ms"),
        _figure("  of it with nobody watching", [unwatched_ms], unit="ms", note="the rest is what watchers cost"),
        *peer.figures(ours_ms),
    ]


async def _unwatched_cpu_ms(live: Watch) -> float:
    """What game uses to lead the tracks and sell the tickets, shared out to as many watchers as there will be."""
    before_s = cpu_s(live.server_pid)
    await asyncio.sleep(live.seconds)
    return (cpu_s(live.server_pid) - before_s) * 1_000 / live.watchers / (live.seconds / 60)


class Peer:
    """The ticking peer's measurements, or why there are none."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._installed: Path | None = None
        self._missing = ""
        self._cpu_ms: dict[ticking_server.Stringify, list[float]] = {"per-client": [], "once": []}

    async def measure(self, live: Watch, frame: str) -> None:
        """Measure with as many listeners as there were watchers; the state it sends says what our frame says."""
        try:
            if not self._missing and self._installed is None:
                self._installed = await ticking_server.install(self._folder, state_json(frame))
            if self._installed is not None:
                for stringify in self._cpu_ms:
                    await self._measure(self._installed, stringify, live)
        except PeerMissing as missing:
            self._missing, self._installed = str(missing), None
            progress(f"  without the ticking peer: {missing}")

    def figures(self, ours_ms: Sequence[float]) -> list[Figure]:
        """What the peer costs, and ours to it."""
        if self._missing:
            return [Figure(title="  to the ticking peer", spread=None, key="cpu_vs_ticking", note=self._missing)]
        per_client_ms, once_ms = self._cpu_ms["per-client"], self._cpu_ms["once"]
        return [
            _figure("  peer: ticking, a string per client", per_client_ms, unit="ms"),
            cpu_figure(ours_ms, per_client_ms, key="cpu_vs_ticking"),
            _figure("  peer: ticking, the string made once", once_ms, unit="ms"),
            cpu_figure(ours_ms, once_ms, key="cpu_vs_ticking_once"),
        ]

    async def _measure(self, installed: Path, stringify: ticking_server.Stringify, live: Watch) -> None:
        async with ticking_server.serve(installed, stringify) as server:
            heard = await listeners.run(
                Listen(
                    address=server.address,
                    server_pid=server.pid,
                    listeners=live.watchers,
                    warmup_s=live.warmup_s,
                    seconds=self._seconds,
                )
            )
        self._cpu_ms[stringify].append(heard.cpu_ms_per_watcher_minute)
        progress(f"  ticking, {stringify}: {heard.messages} messages, {heard.cpu_s:.2f} s of processor time")


async def _fanout(fanout: Watch, extent: Extent) -> list[Figure]:
    """Ticks of game and the bare streams, in turns."""
    seen: dict[str, list[Seen]] = {"ours": [], "bare": [], "paced": []}
    async with serve_apart("benchmarks.limits.streams") as served:
        for number in range(extent.rounds):
            progress(f"fan-out to {fanout.watchers} watchers, {number + 1} of {extent.rounds}")
            seen["ours"].append(await watchers.run(fanout))
            bare = replace(fanout, target=served.address, request=seen["ours"][-1].frame, server_pid=served.pid)
            seen["bare"].append(await watchers.run(bare))
            seen["paced"].append(await watchers.run(replace(bare, method=PACED_METHOD)))
            progress("  " + ", ".join(f"{name} {all_seen[-1].frames_per_s:,.0f}/s" for name, all_seen in seen.items()))
    asked_per_s = fanout.watchers * 1_000 / TICK_INTERVAL_MS
    per_s = {name: [each.frames_per_s for each in all_seen] for name, all_seen in seen.items()}
    cpu_us = {name: [each.cpu_us_per_frame for each in all_seen] for name, all_seen in seen.items()}
    return [
        _figure("fan-out", per_s["ours"], unit="frames/s", note=f"{fanout.watchers} watchers"),
        _figure("  limit: bare streams", per_s["bare"], unit="frames/s"),
        fanout_figure(per_s["ours"], per_s["bare"], asked_per_s, key="fanout_ratio"),
        _figure("  bare streams, paced as the ticks are", per_s["paced"], unit="frames/s"),
        fanout_figure(per_s["ours"], per_s["paced"], asked_per_s, key="fanout_paced_ratio"),
        _figure("  processor time of a frame", cpu_us["ours"], unit="us"),
        _figure("    in the bare server", cpu_us["bare"], unit="us"),
        _figure("    in the bare server, paced", cpu_us["paced"], unit="us"),
    ]


def check_deliveries(seen: Seen) -> None:
    """Raise `TransitionMissed` unless every watcher saw every transition, and there was one."""
    if seen.missed or not seen.latencies_ms:
        raise TransitionMissed(f"{seen.missed} deliveries are missing beside {len(seen.latencies_ms)}")


def fanout_figure(ours: Sequence[float], bare: Sequence[float], asked_per_s: float, key: str = "") -> Figure:
    """The ratio to the limit, unless the watchers asked for no more than they got."""
    title = "  ours to it"
    if max(ours) >= HELD_BACK_FROM * asked_per_s:
        return Figure(title=title, spread=None, key=key, note=f"not at its limit: {asked_per_s:,.0f}/s were asked for")
    return _figure(title, ratios(ours, bare), key=key)


def cpu_figure(ours_ms: Sequence[float], peer_ms: Sequence[float], key: str = "") -> Figure:
    """Ours to the peer's, unless the peer used less than the kernel counts, as it does with few watchers."""
    title = "  ours to it"
    if min(peer_ms) <= 0:
        return Figure(title=title, spread=None, key=key, note="the peer used less than 10 ms: more --watchers")
    return _figure(title, ratios(ours_ms, peer_ms), key=key)


def state_json(frame: str) -> str:
    """What a frame, in hex, says as JSON for the peer to send."""
    return MessageToJson(WatchRoundsResponse.FromString(bytes.fromhex(frame)), indent=None)


@asynccontextmanager
async def _sales(furlong: Furlong, account_id: str) -> AsyncIterator[None]:
    """Sell tickets for the length of the block, so that there are new totals to tell."""
    selling = asyncio.create_task(_sell(furlong, account_id))
    try:
        yield
        if selling.done():
            selling.result()
    finally:
        selling.cancel()
        await asyncio.gather(selling, return_exceptions=True)


async def _sell(furlong: Furlong, account_id: str) -> None:
    while True:
        # A machine that is busy with thousands of watchers may be late; the next ticket is as good.
        with suppress(DeadlineEnded, OutcomeUnknown):
            await _sell_one(furlong, account_id)
        await asyncio.sleep(SALE_INTERVAL_S)


async def _sell_one(furlong: Furlong, account_id: str) -> None:
    race = await furlong.rounds.current(LIVE_TRACK)
    if race.phase == Round.OPEN:  # locked meanwhile, the ticket is refused, and that is all
        line = Line(market=Line.WIN, runners=[race.runners[0].runner], stake_minor=STAKE_MINOR)
        order = TicketOrder(request_id=uuid7(), account_id=account_id, lines=[line])
        await furlong.tickets.place(race.round_id, [order])


def _round_s(timetable: Timetable) -> float:
    return (timetable.betting_window_ms + timetable.lock_ms + timetable.race_ms + timetable.finish_ms) / 1_000


def _request(request: WatchRoundsRequest) -> str:
    return request.SerializeToString().hex()


def _figure(title: str, values: Sequence[float], *, unit: str = "", key: str = "", note: str = "") -> Figure:
    return Figure(title=title, unit=unit, key=key, note=note, spread=Spread.of(values))


if __name__ == "__main__":
    main()
